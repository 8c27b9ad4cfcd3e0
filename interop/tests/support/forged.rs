//! Credentials that are no good.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// A key of the namespace with another key's value.
pub(crate) const WRONG_KEY: &str =
    "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=wrong";

/// A token for the emulator's hub `eh1`, well signed, that was good until 2020.
pub(crate) fn expired_token() -> String {
    let (resource, expiry) = ("sb%3a%2f%2flocalhost%2feh1", 1_577_836_800);
    let mut hmac = Hmac::<Sha256>::new_from_slice(b"SAS_KEY_VALUE").expect("any length is good");
    hmac.update(format!("{resource}\n{expiry}").as_bytes());
    let signature = STANDARD.encode(hmac.finalize().into_bytes());
    let signature = signature
        .replace('+', "%2b")
        .replace('/', "%2f")
        .replace('=', "%3d");
    format!(
        "SharedAccessSignature=SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn=RootManageSharedAccessKey"
    )
}
