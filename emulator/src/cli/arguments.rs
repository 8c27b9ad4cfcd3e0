//! The options of the program, from the command line or the environment.

use std::path::PathBuf;

use super::tls::TlsArguments;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use eventhubs_emulator::{AccessKey, HubConfig, ParseKeyError, Tier};

/// An Azure Event Hubs emulator that speaks AMQP 1.0.
///
/// It prints one line for each namespace, with the connection string that any Event Hubs SDK connects with, and runs
/// until it is interrupted (Ctrl-C, or a termination signal; a second one ends it at once). It listens on this machine
/// only. Events live in memory, and are gone when it stops. Every port takes AMQP and WebSockets, and TLS where that is
/// on: then two lines before tell where, and what to trust.
///
/// Every option can be given by an environment variable instead; the command line wins.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Port for AMQP; 0 takes any free one
    ///
    /// With several namespaces it is the first one's; each of the others takes the next free port.
    #[arg(
        long,
        value_name = "PORT",
        env = "EVENTHUBS_EMULATOR_PORT",
        default_value_t = 5672,
        help_heading = "Ports"
    )]
    pub(crate) port: u16,

    /// Port for GET /health and GET /metrics over HTTP; 0 takes any free one [default: 5300, if it is free]
    #[arg(
        long,
        value_name = "PORT",
        env = "EVENTHUBS_EMULATOR_HEALTH_PORT",
        help_heading = "Ports"
    )]
    pub(crate) health_port: Option<u16>,

    #[command(flatten)]
    pub(crate) tls: TlsArguments,

    /// A configuration file of the official emulator (Config.json), taken as it is
    ///
    /// It says which namespaces and hubs there are, so --namespace and --hub cannot be given beside it.
    #[arg(
        long,
        value_name = "FILE",
        env = "EVENTHUBS_EMULATOR_CONFIG",
        conflicts_with_all = ["namespaces", "hubs"],
        help_heading = "Namespaces and hubs"
    )]
    pub(crate) config: Option<PathBuf>,

    /// A namespace, on a port of its own, with all the hubs and keys given [default: emulatorNs1]
    ///
    /// May be given many times; in the environment, separate them by commas.
    #[arg(
        long = "namespace",
        value_name = "NAME",
        env = "EVENTHUBS_EMULATOR_NAMESPACES",
        value_delimiter = ',',
        help_heading = "Namespaces and hubs"
    )]
    pub(crate) namespaces: Vec<String>,

    /// An event hub, with its partitions (4 if not said) and consumer groups beside $Default [default: eh1:4:cg1]
    ///
    /// May be given many times; in the environment, separate them by semicolons.
    #[arg(
        long = "hub",
        value_name = "NAME[:PARTITIONS[:GROUP,GROUP..]]",
        env = "EVENTHUBS_EMULATOR_HUBS",
        value_delimiter = ';',
        help_heading = "Namespaces and hubs"
    )]
    pub(crate) hubs: Vec<HubConfig>,

    /// A shared access key; connection strings show the first [default: RootManageSharedAccessKey=SAS_KEY_VALUE]
    ///
    /// It opens all hubs with all rights, unless a hub and some of the rights Send, Listen and Manage are named. All
    /// behind the first = is the key.
    /// May be given many times; in the environment, which others cannot see in a list of processes, separate them by
    /// semicolons.
    // Not parsed by clap, whose errors would show the key.
    #[arg(
        long = "key",
        value_name = "NAME[@HUB][:RIGHT,RIGHT..]=KEY",
        env = "EVENTHUBS_EMULATOR_KEYS",
        hide_env_values = true,
        value_delimiter = ';',
        help_heading = "Namespaces and hubs"
    )]
    keys: Vec<String>,

    /// Take JSON web tokens too, WITHOUT checking their signatures
    #[arg(
        long,
        env = "EVENTHUBS_EMULATOR_ACCEPT_JWTS",
        help_heading = "Namespaces and hubs"
    )]
    pub(crate) accept_jwts: bool,

    /// The tier whose quotas hold: basic, standard, premium or dedicated
    ///
    /// Without it hubs may be as large as in the dedicated tier, and all else is as in the standard one.
    #[arg(
        long,
        value_name = "TIER",
        env = "EVENTHUBS_EMULATOR_TIER",
        value_parser = parse_tier,
        help_heading = "Limits"
    )]
    pub(crate) tier: Option<Tier>,

    /// Bytes of events that a namespace keeps in memory over all its hubs; the oldest go first
    #[arg(
        long,
        value_name = "BYTES",
        env = "EVENTHUBS_EMULATOR_RETENTION",
        default_value_t = 1 << 30,
        help_heading = "Limits"
    )]
    pub(crate) retention: u64,

    /// The largest message taken, in bytes; a batch is one message [default: the tier's, 1 MiB]
    #[arg(
        long,
        value_name = "BYTES",
        env = "EVENTHUBS_EMULATOR_MAX_MESSAGE_SIZE",
        help_heading = "Limits"
    )]
    pub(crate) max_message_size: Option<u64>,

    /// How long the outcomes of sends are held back, in milliseconds
    ///
    /// Clients built on fe2o3-amqp before 0.18.4 (the official Rust crate up to 0.16) lose an outcome that comes too
    /// fast: give those 1.
    #[arg(
        long,
        value_name = "MILLISECONDS",
        env = "EVENTHUBS_EMULATOR_ACKNOWLEDGEMENT_DELAY",
        default_value_t = 0,
        help_heading = "Limits"
    )]
    pub(crate) acknowledgement_delay: u32,
}

const EXAMPLES: &str = "\
Examples:
  eventhubs-emulator
  eventhubs-emulator --hub orders:8:billing,audit --hub logs:32
  eventhubs-emulator --port 0 --health-port 0 --namespace east --namespace west
  eventhubs-emulator --config Config.json
  eventhubs-emulator --tls --cert-out ca.pem
  eventhubs-emulator --tier basic --key Root=a2V5 --key Reader@eh1:Listen=cmVhZA==
  EVENTHUBS_EMULATOR_KEYS=Writer=bGV0IG1lIGlu eventhubs-emulator --port 6672 --retention 268435456";

impl Arguments {
    /// The access keys given.
    ///
    /// # Errors
    ///
    /// If one cannot be read; the error does not show it.
    pub(crate) fn keys(&self) -> Result<Vec<AccessKey>, clap::Error> {
        let keys = self.keys.iter().map(|text| text.parse());
        keys.collect::<Result<_, _>>()
            .map_err(|error: ParseKeyError| {
                let text = format!("--key or EVENTHUBS_EMULATOR_KEYS: {error}");
                Self::command().error(ErrorKind::ValueValidation, text)
            })
    }
}

fn parse_tier(name: &str) -> Result<Tier, String> {
    [Tier::Basic, Tier::Standard, Tier::Premium, Tier::Dedicated]
        .into_iter()
        .find(|tier| tier.to_string().eq_ignore_ascii_case(name))
        .ok_or_else(|| "a tier is basic, standard, premium or dedicated".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_option_has_an_environment_variable_of_its_name() {
        for option in Arguments::command().get_arguments() {
            let Some(name) = option.get_long() else {
                panic!("{option:?}")
            };
            let variable = name.to_uppercase().replace('-', "_");
            let found = option.get_env().unwrap().to_str().unwrap().to_owned();
            // What may be given many times is in the plural.
            let stem = found.strip_prefix("EVENTHUBS_EMULATOR_").unwrap();
            assert!(
                stem == variable || stem == format!("{variable}S"),
                "{found}"
            );
        }
    }
}
