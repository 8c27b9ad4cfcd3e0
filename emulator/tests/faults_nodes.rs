//! What a client sees of the faults of `$cbs` and `$management`.

mod support;

use eventhubs_emulator::{Emulator, Fault};
use fe2o3_amqp::sasl_profile::SaslProfile;
use std::pin::pin;
use std::time::Duration;
use support::*;

const AUDIENCE: &str = "amqps://localhost/eh1";

fn token() -> String {
    sas_token(AUDIENCE, KEY_NAME, KEY, in_an_hour())
}

const ABOUT_EH1: [(&str, &str); 2] = [("name", "eh1"), ("type", "com.microsoft:eventhub")];

#[tokio::test]
async fn refused_tokens_are_answered_as_asked_and_grant_nothing() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::connect(&emulator, SaslProfile::Anonymous).await;
    let guard = emulator
        .faults()
        .inject(Fault::refuse_tokens(503, "as asked"));
    let answer = client.put_token(AUDIENCE, &token()).await;
    assert_eq!(answer, (503, "as asked".to_owned()));
    let (condition, _) = client.sender_refusal("eh1").await;
    assert!(condition.contains("unauthorized-access"), "{condition}");
    assert_eq!(guard.struck(), 1);
    guard.heal();
    assert_eq!(client.put_token(AUDIENCE, &token()).await.0, 202);
    client.sender("eh1").await;
}

#[tokio::test]
async fn a_delayed_token_is_answered_late() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::connect(&emulator, SaslProfile::Anonymous).await;
    let delay = Duration::from_millis(200);
    let guard = emulator
        .faults()
        .inject(Fault::delay_tokens(delay).times(1));
    let began = tokio::time::Instant::now();
    assert_eq!(client.put_token(AUDIENCE, &token()).await.0, 202);
    assert!(began.elapsed() >= delay);
    assert_eq!(guard.struck(), 1);
}

#[tokio::test]
async fn ignored_tokens_and_questions_are_never_answered() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let tokens = emulator.faults().inject(Fault::ignore_tokens());
    let questions = emulator.faults().inject(Fault::ignore_management());
    tokio::select! {
        answer = client.put_token(AUDIENCE, "any") => panic!("{answer:?}"),
        () = tokens.wait_for(1) => {}
    }
    {
        let mut reading = pin!(client.read(&ABOUT_EH1));
        tokio::select! {
            answer = &mut reading => panic!("{answer:?}"),
            () = questions.wait_for(1) => {}
        }
    }
    tokens.heal();
    questions.heal();
    let mut again = Client::authorized(&emulator).await;
    assert_eq!(again.read(&ABOUT_EH1).await.0, 200);
}

#[tokio::test]
async fn questions_about_one_hub_are_refused_or_late_as_asked() {
    let emulator = Emulator::start().await.unwrap();
    let mut client = Client::authorized(&emulator).await;
    let other = emulator
        .faults()
        .inject(Fault::refuse_management(503, "other").hub("eh2"));
    let refused = emulator.faults().inject(
        Fault::refuse_management(503, "as asked")
            .hub("eh1")
            .times(1),
    );
    let (status, description, _) = client.read(&ABOUT_EH1).await;
    assert_eq!((status, &*description), (503, "as asked"));
    let delay = Duration::from_millis(200);
    let late = emulator.faults().inject(Fault::delay_management(delay));
    let began = tokio::time::Instant::now();
    assert_eq!(client.read(&ABOUT_EH1).await.0, 200);
    assert!(began.elapsed() >= delay);
    assert_eq!((other.struck(), refused.struck(), late.struck()), (0, 1, 1));
}
