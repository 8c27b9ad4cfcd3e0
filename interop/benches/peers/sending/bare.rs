//! The AMQP stack under our transport, and nothing else: batches of events that are
//! encoded by hand, a link and a session for each partition.

use std::collections::VecDeque;

use fe2o3_amqp::Session;
use fe2o3_amqp::link::delivery::Sendable;
use fe2o3_amqp::types::messaging::{Batch, Data, Message, Outcome};
use fe2o3_amqp::types::primitives::Binary;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::support::{Failure, Load, Usage, all, bare};

const BATCH_FORMAT: u32 = 0x8001_3700;
const BATCH_BYTES: usize = 512 << 10;

/// Batches of one partition on their way at once, as our producer has them.
fn in_flight(delay: u64) -> usize {
    if delay < 20 { 4 } else { 8 }
}

pub(super) fn options(delay: u64) -> String {
    format!(
        "send_batchable, batches of {BATCH_BYTES} bytes, {} in flight for each partition",
        in_flight(delay)
    )
}

pub(super) async fn batches(load: &Load) -> Result<Usage, Failure> {
    let mut connection = bare::connect(load.port).await?;
    let (body, most) = (load.body(), in_flight(load.delay));
    let mut lanes = JoinSet::new();
    let mut orders = Vec::new();
    let (settled, mut done) = mpsc::channel(Load::PARTITIONS as usize);
    let mut sessions = Vec::new();
    for partition in 0..Load::PARTITIONS {
        let mut session = Session::begin(&mut connection).await?;
        let address = format!("{}/Partitions/{partition}", load.hub);
        let name = format!("sender-{partition}");
        let mut sender = fe2o3_amqp::Sender::attach(&mut session, name, address).await?;
        sessions.push(session);
        let (order, mut ordered) = mpsc::channel::<u64>(1);
        orders.push(order);
        let settled = settled.clone();
        lanes.spawn(async move {
            while let Some(mut left) = ordered.recv().await {
                let mut in_flight = VecDeque::new();
                while left > 0 {
                    let events = left.min((BATCH_BYTES / body.len()) as u64);
                    left -= events;
                    if in_flight.len() == most {
                        accepted(in_flight.pop_front()).await?;
                    }
                    in_flight.push_back(sender.send_batchable(batch(body, events)).await?);
                }
                while !in_flight.is_empty() {
                    accepted(in_flight.pop_front()).await?;
                }
                settled.send(()).await?;
            }
            Ok(())
        });
    }
    let usage = load.measure(async |events| {
        for order in &orders {
            order.send(events / orders.len() as u64).await?;
        }
        for _ in &orders {
            done.recv().await.ok_or("a lane has failed")?;
        }
        Ok(())
    });
    let usage = usage.await;
    orders.clear();
    all(lanes).await?;
    usage
}

async fn accepted<F, E>(delivery: Option<F>) -> Result<(), Failure>
where
    F: Future<Output = Result<Outcome, E>>,
    E: std::error::Error + Send + Sync + 'static,
{
    match delivery {
        Some(delivery) => match delivery.await? {
            Outcome::Accepted(_) => Ok(()),
            other => Err(format!("{other:?}").into()),
        },
        None => Ok(()),
    }
}

fn batch(body: &[u8], events: u64) -> Sendable<Batch<Data>> {
    let sections = (0..events).map(|_| Data(Binary::from(message(body))));
    Sendable {
        message: Message {
            header: None,
            delivery_annotations: None,
            message_annotations: None,
            properties: None,
            application_properties: None,
            body: sections.collect(),
            footer: None,
        },
        message_format: BATCH_FORMAT,
        settled: Some(false),
    }
}

/// A Data section around a body.
fn message(body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(body.len() + 8);
    message.extend([0x00, 0x53, 0x75]);
    match u8::try_from(body.len()) {
        Ok(len) => message.extend([0xA0, len]),
        Err(_) => {
            message.push(0xB0);
            message.extend((body.len() as u32).to_be_bytes());
        }
    }
    message.extend(body);
    message
}
