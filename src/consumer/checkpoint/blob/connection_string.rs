//! The connection strings of storage accounts, as the portal shows them.

use super::address::{Sas, parse_sas};
use crate::error::{Error, ErrorKind};

/// The account that every Azurite has, and its key, which is in its docs.
const DEVELOPMENT_ACCOUNT: &str = "devstoreaccount1";
const DEVELOPMENT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const DEVELOPMENT_ENDPOINT: &str = "http://127.0.0.1:10000/devstoreaccount1";

/// What a connection string says. It has no `Debug`: it is a secret.
pub(super) struct Account {
    /// Where its blobs are.
    pub(super) endpoint: String,
    pub(super) rights: Rights,
}

pub(super) enum Rights {
    Key { account: String, key: String },
    Signature(Sas),
}

const KEYS: [&str; 7] = [
    "UseDevelopmentStorage",
    "DefaultEndpointsProtocol",
    "AccountName",
    "AccountKey",
    "SharedAccessSignature",
    "BlobEndpoint",
    "EndpointSuffix",
];

impl Account {
    /// # Errors
    /// [`ErrorKind::InvalidConnectionString`].
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let parts = split(text)?;
        let part = |key: &str| {
            let index = KEYS.iter().position(|known| *known == key)?;
            parts[index]
        };
        if part("UseDevelopmentStorage").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(Self {
                endpoint: DEVELOPMENT_ENDPOINT.to_owned(),
                rights: Rights::Key {
                    account: DEVELOPMENT_ACCOUNT.to_owned(),
                    key: DEVELOPMENT_KEY.to_owned(),
                },
            });
        }
        let account = part("AccountName");
        let endpoint = match (part("BlobEndpoint"), account) {
            (Some(endpoint), _) => endpoint.to_owned(),
            (None, Some(account)) => {
                let scheme = part("DefaultEndpointsProtocol").unwrap_or("https");
                let suffix = part("EndpointSuffix").unwrap_or("core.windows.net");
                format!("{scheme}://{account}.blob.{suffix}")
            }
            (None, None) => {
                return Err(invalid(
                    "AccountName is missing: give it, or a BlobEndpoint",
                ));
            }
        };
        let rights = match (part("AccountKey"), part("SharedAccessSignature")) {
            (Some(key), None) => Rights::Key {
                account: account
                    .ok_or_else(|| invalid("AccountName is missing: it belongs to the AccountKey"))?
                    .to_owned(),
                key: key.to_owned(),
            },
            (None, Some(signature)) => Rights::Signature(parse_sas(signature)?),
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "AccountKey and SharedAccessSignature contradict each other: remove one",
                ));
            }
            (None, None) => {
                return Err(invalid(
                    "there are no credentials: add AccountKey or SharedAccessSignature",
                ));
            }
        };
        Ok(Self { endpoint, rights })
    }
}

/// The values of the known keys; others are ignored.
fn split(text: &str) -> Result<[Option<&str>; KEYS.len()], Error> {
    let mut parts = [None; KEYS.len()];
    let sections = text.split(';').map(str::trim);
    // The text of a part may be a secret: errors name known keys or places.
    for (place, section) in (1..).zip(sections.filter(|section| !section.is_empty())) {
        let (key, value) = section.split_once('=').ok_or_else(|| {
            invalid(&format!(
                "part {place} is not of the form Key=Value: separate parts by ';'"
            ))
        })?;
        let is_known = |known: &&str| known.eq_ignore_ascii_case(key.trim());
        let Some(index) = KEYS.iter().position(is_known) else {
            continue;
        };
        let name = KEYS[index];
        if value.trim().is_empty() {
            return Err(invalid(&format!(
                "{name} has no value: give one, or remove it"
            )));
        }
        if parts[index].replace(value.trim()).is_some() {
            return Err(invalid(&format!("{name} stands there twice: remove one")));
        }
    }
    Ok(parts)
}

fn invalid(message: &str) -> Error {
    Error::new(
        ErrorKind::InvalidConnectionString,
        format!("invalid connection string of a storage account: {message}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(text: &str) -> (String, Option<(String, String)>) {
        let Account { endpoint, rights } = Account::parse(text).unwrap();
        let key = match rights {
            Rights::Key { account, key } => Some((account, key)),
            Rights::Signature(_) => None,
        };
        (endpoint, key)
    }

    #[test]
    fn the_endpoint_follows_from_the_account_or_is_named() {
        let text = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=a2V5==;\
             EndpointSuffix=core.chinacloudapi.cn";
        let key = Some(("a".to_owned(), "a2V5==".to_owned()));
        assert_eq!(
            account(text),
            (
                "https://a.blob.core.chinacloudapi.cn".to_owned(),
                key.clone()
            )
        );
        let text = " accountname = a ; AccountKey=a2V5== ; QueueEndpoint=x;";
        let usual = "https://a.blob.core.windows.net".to_owned();
        assert_eq!(account(text), (usual, key));
        let text = "BlobEndpoint=http://127.0.0.1:1/a;SharedAccessSignature=sv=1&sig=x";
        assert_eq!(account(text), ("http://127.0.0.1:1/a".to_owned(), None));
        let (endpoint, key) = account("UseDevelopmentStorage=true");
        assert_eq!(endpoint, DEVELOPMENT_ENDPOINT);
        assert_eq!(key.unwrap().0, DEVELOPMENT_ACCOUNT);
    }

    #[test]
    fn what_is_wrong_is_told_and_no_secret_is() {
        for (text, expected) in [
            ("", "AccountName is missing"),
            ("AccountName=a", "no credentials"),
            (
                "AccountKey=secret;BlobEndpoint=https://h",
                "AccountName is missing",
            ),
            ("AccountName=a;secret", "part 2"),
            ("AccountName=a;AccountKey=", "AccountKey has no value"),
            ("AccountKey=secret;AccountKey=secret", "twice"),
            (
                "AccountName=a;AccountKey=secret;SharedAccessSignature=sig=secret",
                "contradict",
            ),
            ("AccountName=a;SharedAccessSignature=secret", "sig"),
        ] {
            let error = Account::parse(text).err().expect(text).to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
