//! azeventhubs against an emulator, over TLS.

use std::time::Duration;

use eventhubs_emulator::{Emulator, EmulatorBuilder};
use eventhubs_flow::transport::{AzeventhubsConsumer, AzeventhubsOptions, AzeventhubsProducer};

use super::HUB;
use super::trust::Trusted;

/// Outcomes come a millisecond late: azeventhubs may lose one that comes faster than
/// it can register its delivery.
pub(crate) fn emulator(trusted: &Trusted) -> EmulatorBuilder {
    Emulator::builder()
        .certificate(trusted.chain.clone(), trusted.key.clone())
        .acknowledgement_delay(Duration::from_millis(1))
}

pub(crate) fn connection_string(emulator: &Emulator) -> String {
    let port = emulator.address().port();
    format!(
        "Endpoint=sb://localhost:{port}/;SharedAccessKeyName=RootManageSharedAccessKey;\
         SharedAccessKey=SAS_KEY_VALUE;EntityPath={HUB}"
    )
}

pub(crate) fn producer(emulator: &Emulator, options: AzeventhubsOptions) -> AzeventhubsProducer {
    AzeventhubsProducer::connect(&connection_string(emulator), options).expect("options")
}

pub(crate) fn consumer(emulator: &Emulator, options: AzeventhubsOptions) -> AzeventhubsConsumer {
    AzeventhubsConsumer::connect(&connection_string(emulator), options).expect("options")
}
