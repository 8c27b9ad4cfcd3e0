//! The AMQP stack under our transport, and nothing else: a link and a session for each
//! partition, its credit given by hand.

use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::types::definitions::SenderSettleMode;
use fe2o3_amqp::types::messaging::Data;
use fe2o3_amqp::{Receiver, Session};
use tokio::task::JoinSet;

use crate::support::{Failure, Load, Meter, Usage, all, bare};

const CREDIT: u32 = 2000;

pub(super) fn options() -> String {
    format!(
        "settled by the sender, credit of {CREDIT} topped up by halves, a task for each partition"
    )
}

pub(super) async fn receiver(load: &Load) -> Result<Usage, Failure> {
    let mut connection = bare::connect(load.port).await?;
    let meter = Meter::start();
    let mut lanes = JoinSet::new();
    let mut sessions = Vec::new();
    for partition in 0..Load::PARTITIONS {
        let mut session = Session::begin(&mut connection).await?;
        let hub = &load.hub;
        let mut receiver = Receiver::builder()
            .name(format!("receiver-{partition}"))
            .source(format!(
                "{hub}/ConsumerGroups/$Default/Partitions/{partition}"
            ))
            .sender_settle_mode(SenderSettleMode::Settled)
            .credit_mode(CreditMode::Manual)
            .attach(&mut session)
            .await?;
        sessions.push(session);
        let load = load.clone();
        lanes.spawn(async move {
            for _ in 0..load.share() {
                if receiver.credit() <= CREDIT / 2 {
                    receiver.set_credit(CREDIT).await?;
                }
                let delivery = receiver.recv::<Data>().await?;
                load.check(delivery.body().0.len())?;
            }
            Ok(())
        });
    }
    all(lanes).await?;
    Ok(meter.stop(load.events, 0))
}
