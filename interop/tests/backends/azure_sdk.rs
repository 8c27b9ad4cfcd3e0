//! The official SDK against an emulator.

use eventhubs_emulator::Emulator;
use eventhubs_flow::transport::{AzureSdkConsumer, AzureSdkOptions, AzureSdkProducer};

use super::HUB;

fn endpoint(emulator: &Emulator) -> (String, String) {
    let endpoint = format!("amqp://localhost:{}", emulator.address().port());
    // The SDK takes a port only as a custom endpoint.
    let connection_string = format!(
        "Endpoint=sb://localhost/;SharedAccessKeyName=RootManageSharedAccessKey;\
         SharedAccessKey=SAS_KEY_VALUE;EntityPath={HUB}"
    );
    (endpoint, connection_string)
}

pub(crate) async fn producer(emulator: &Emulator, options: AzureSdkOptions) -> AzureSdkProducer {
    let (endpoint, connection_string) = endpoint(emulator);
    let open = move |client: azure_messaging_eventhubs::builders::ProducerClientBuilder| {
        let client = client.with_custom_endpoint(endpoint.clone());
        let connection_string = connection_string.clone();
        async move {
            client
                .open_with_connection_string(&connection_string, None)
                .await
        }
    };
    let producer = AzureSdkProducer::open_with(options, open).await;
    producer.expect("connected")
}

pub(crate) fn consumer(emulator: &Emulator, options: &AzureSdkOptions) -> AzureSdkConsumer {
    let (endpoint, connection_string) = endpoint(emulator);
    let open = move |client: azure_messaging_eventhubs::builders::ConsumerClientBuilder| {
        let client = client.with_custom_endpoint(endpoint.clone());
        let connection_string = connection_string.clone();
        async move {
            client
                .open_with_connection_string(&connection_string, None)
                .await
        }
    };
    AzureSdkConsumer::with_options(options, open)
}
