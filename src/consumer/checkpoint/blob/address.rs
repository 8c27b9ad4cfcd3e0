//! Where a container is.

use http::Uri;
use object_store::azure::split_sas;

use super::options::BlobStoreOptions;
use crate::error::Error;
use crate::tls::is_loopback;

/// The address of a container, without what proves any rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The URL, without a slash at its end.
    pub(super) url: String,
    host: String,
    tls: bool,
}

/// The parts of a shared access signature. It has no `Debug`: it is a secret.
pub(super) type Sas = Vec<(String, String)>;

impl Address {
    /// A container of an endpoint such as `https://account.blob.core.windows.net`.
    pub(super) fn in_account(endpoint: &str, container: &str) -> Result<Self, Error> {
        check_name(container)?;
        let endpoint = endpoint.trim_end_matches('/');
        Self::parse(&format!("{endpoint}/{container}"))
    }

    /// A container's URL, and the signature that stands behind it, if one does.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidOptions`](crate::ErrorKind::InvalidOptions); no text of the
    /// URL is in it, which may be a secret.
    pub(super) fn with_sas(url: &str) -> Result<(Self, Option<Sas>), Error> {
        let (url, query) = match url.split_once('?') {
            Some((url, query)) => (url, Some(query)),
            None => (url, None),
        };
        let address = Self::parse(url.trim_end_matches('/'))?;
        let container = address.url.rsplit('/').next().unwrap_or_default();
        check_name(container)?;
        Ok((address, query.map(parse_sas).transpose()?))
    }

    fn parse(url: &str) -> Result<Self, Error> {
        let malformed = || {
            Error::invalid_options(
                "the address of the container is malformed: it reads \
                 https://<account>.blob.core.windows.net/<container>",
            )
        };
        let uri: Uri = url.parse().map_err(|_| malformed())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(malformed()),
        };
        let authority = uri.authority().ok_or_else(malformed)?;
        let is_plain = uri.query().is_none() && !authority.as_str().contains('@');
        if authority.host().is_empty() || !is_plain {
            return Err(malformed());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Ok(Self {
            url: url.to_owned(),
            host,
            tls,
        })
    }

    /// # Errors
    /// [`ErrorKind::InvalidOptions`](crate::ErrorKind::InvalidOptions) if bytes would
    /// leave this machine in the clear.
    pub(super) fn check_plaintext(&self, options: &BlobStoreOptions) -> Result<(), Error> {
        let host = self.host.as_str();
        let allowed = options.plaintext_to.as_deref();
        let is_allowed = allowed.is_some_and(|allowed| allowed.eq_ignore_ascii_case(host));
        if self.tls || is_loopback(host) || is_allowed {
            return Ok(());
        }
        Err(Error::invalid_options(format!(
            "http:// sends keys and tokens in the clear and is for this machine only, not for \
             {host}: use https://, or allow that host with BlobStoreOptions::allow_plaintext_to"
        )))
    }
}

pub(super) fn parse_sas(query: &str) -> Result<Sas, Error> {
    // What is wrong with it is not told: it may quote the signature.
    let parts = split_sas(query).map_err(|_| not_signed())?;
    match parts.iter().any(|(name, _)| name == "sig") {
        true => Ok(parts),
        false => Err(not_signed()),
    }
}

fn not_signed() -> Error {
    Error::invalid_options(
        "the shared access signature has no part `sig`: give the whole token, from `sv=` on",
    )
}

fn check_name(container: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (3..=63).contains(&container.len()) && container.chars().all(plain) {
        return Ok(());
    }
    Err(Error::invalid_options(
        "a container's name has 3 to 63 lower-case letters, digits and hyphens",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_found_in_an_endpoint_and_in_a_url() {
        let address = Address::in_account("https://a.blob.core.windows.net/", "ckpt").unwrap();
        assert_eq!(address.url, "https://a.blob.core.windows.net/ckpt");
        let url = "http://127.0.0.1:10000/devstoreaccount1/ckpt/?sv=1&sig=a%2Bb%3D";
        let (address, sas) = Address::with_sas(url).unwrap();
        assert_eq!(address.url, "http://127.0.0.1:10000/devstoreaccount1/ckpt");
        let sas = sas.unwrap();
        assert_eq!(sas[1], ("sig".to_owned(), "a+b=".to_owned()));
    }

    #[test]
    fn what_is_no_container_is_refused_and_not_quoted() {
        for url in [
            "",
            "secret",
            "https:///secret",
            "ftp://h/secret",
            "https://secret@h/ckpt",
            "https://h/Secret",
            "https://h/ab",
            "https://h/ckpt?sv=secret",
            "https://h/ckpt?secret",
            "https://h",
        ] {
            let error = Address::with_sas(url)
                .err()
                .unwrap_or_else(|| panic!("{url:?}"));
            assert_eq!(*error.kind(), crate::ErrorKind::InvalidOptions);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn plain_text_stays_on_this_machine_unless_a_host_is_named() {
        let check = |url: &str, options: &BlobStoreOptions| {
            let (address, _) = Address::with_sas(url).unwrap();
            address.check_plaintext(options)
        };
        let options = BlobStoreOptions::default();
        for host in ["localhost", "127.0.0.1:10000", "[::1]:10000"] {
            check(&format!("http://{host}/ckpt"), &options).unwrap();
        }
        check("https://azurite/ckpt", &options).unwrap();
        let error = check("http://azurite/ckpt", &options).unwrap_err();
        assert!(error.to_string().contains("allow_plaintext_to"), "{error}");
        let options = options.allow_plaintext_to("Azurite");
        check("http://azurite:10000/ckpt", &options).unwrap();
        check("http://other/ckpt", &options).unwrap_err();
    }
}
