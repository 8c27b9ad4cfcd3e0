use std::path::PathBuf;

use eventhubs_emulator::Emulator;

use crate::Sdk;

/// How a scenario gets at a hub of an emulator.
#[derive(Debug)]
pub struct Access {
    hub: String,
    credential: String,
    port: u16,
    certificate: PathBuf,
    websocket: bool,
}

impl Access {
    /// With the emulator's key to its hub `eh1`. TLS is to be on.
    ///
    /// # Panics
    ///
    /// If it is off, or the certificate cannot be written for the SDKs to read.
    #[must_use]
    pub fn to(emulator: &Emulator) -> Self {
        let port = emulator.address().port();
        let directory = std::env::temp_dir().join("eventhubs-interop");
        std::fs::create_dir_all(&directory).expect("a directory for certificates");
        let certificate = directory.join(format!("{}-{port}.pem", std::process::id()));
        let pem = emulator.certificate_pem().expect("TLS is on");
        std::fs::write(&certificate, pem).expect("the certificate is written");
        Self {
            hub: "eh1".to_owned(),
            credential:
                "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE"
                    .to_owned(),
            port,
            certificate,
            websocket: false,
        }
    }

    /// To another hub.
    #[must_use]
    pub fn with_hub(mut self, hub: &str) -> Self {
        hub.clone_into(&mut self.hub);
        self
    }

    /// With another credential: the part of a connection string that holds it.
    #[must_use]
    pub fn with_credential(mut self, credential: impl Into<String>) -> Self {
        self.credential = credential.into();
        self
    }

    /// Over a WebSocket, and TLS.
    #[must_use]
    pub fn over_websocket(mut self) -> Self {
        self.websocket = true;
        self
    }

    /// The variables that an SDK's scenarios read.
    pub(crate) fn environment(&self, sdk: Sdk) -> Vec<(&'static str, String)> {
        let Self {
            hub, credential, ..
        } = self;
        let certificate = self.certificate.display().to_string();
        // Two SDKs take a port only as a custom endpoint.
        let (host, scheme) = match sdk {
            Sdk::Javascript | Sdk::Python => (format!("localhost:{}", self.port), "sb"),
            Sdk::Official => ("localhost".to_owned(), "amqp"),
            Sdk::Azeventhubs => ("localhost".to_owned(), "amqps"),
        };
        // The flag turns TLS off.
        let flag = if self.websocket {
            ""
        } else {
            "UseDevelopmentEmulator=true;"
        };
        let mut environment = vec![
            (
                "EVENTHUB_CONNECTION_STRING",
                format!("Endpoint=sb://{host}/;{credential};{flag}EntityPath={hub}"),
            ),
            (
                "EVENTHUB_ENDPOINT",
                format!("{scheme}://localhost:{}", self.port),
            ),
            ("SSL_CERT_FILE", certificate.clone()),
            ("NODE_EXTRA_CA_CERTS", certificate),
        ];
        if self.websocket {
            environment.push(("EVENTHUB_WEBSOCKET", "1".to_owned()));
        }
        environment
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        // Whatever is left is a public certificate in a temporary directory.
        let _ = std::fs::remove_file(&self.certificate);
    }
}
