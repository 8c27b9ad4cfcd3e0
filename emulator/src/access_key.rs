//! Shared access keys: what they are called, what they open and where.

use std::fmt;
use std::str::FromStr;

/// What a shared access key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Right {
    /// To send events.
    Send,
    /// To receive events.
    Listen,
    /// Everything: it includes the others.
    Manage,
}

impl fmt::Display for Right {
    /// The name as the service writes it: `Send`, `Listen` or `Manage`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rights(u8);

impl Rights {
    pub(crate) const ALL: Self = Self(bits(Right::Manage));

    pub(crate) fn has(self, right: Right) -> bool {
        self.0 & bits(right) == bits(right)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

const fn bits(right: Right) -> u8 {
    match right {
        Right::Send => 0b001,
        Right::Listen => 0b010,
        Right::Manage => 0b111,
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        Self(rights.into_iter().fold(0, |set, right| set | bits(right)))
    }
}

/// A shared access key: of the namespace or of one hub, with all rights or some.
///
/// Several may have the same name, as the primary and the secondary key of a policy do. `Debug` hides the key.
///
/// Parses from `NAME[@HUB][:RIGHT,RIGHT..]=KEY`. Everything behind the first `=` is the key, whatever it holds.
///
/// # Examples
///
/// ```
/// use eventhubs_emulator::{AccessKey, Right};
///
/// let key = AccessKey::new("Writer", "bGV0IG1lIGlu==")
///     .with_rights([Right::Send])
///     .for_hub("orders");
/// assert_eq!("Writer@orders:Send=bGV0IG1lIGlu==".parse(), Ok(key));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) rights: Rights,
    /// `None` if it is the namespace's.
    pub(crate) hub: Option<String>,
}

impl AccessKey {
    /// A key of the namespace with all rights.
    #[must_use]
    pub fn new(name: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            key: key.into(),
            rights: Rights::ALL,
            hub: None,
        }
    }

    /// What it allows. Defaults to everything; at least one right is needed.
    #[must_use]
    pub fn with_rights(mut self, rights: impl IntoIterator<Item = Right>) -> Self {
        self.rights = rights.into_iter().collect();
        self
    }

    /// The one hub that it opens. Defaults to all hubs of the namespace.
    #[must_use]
    pub fn for_hub(mut self, name: impl Into<String>) -> Self {
        self.hub = Some(name.into());
        self
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("name", &self.name)
            .field("rights", &self.rights)
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}

impl FromStr for AccessKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (place, key) = text.split_once('=').ok_or(ParseKeyError::NoKey)?;
        let (place, rights) = match place.split_once(':') {
            Some((place, rights)) => (place, Some(rights)),
            None => (place, None),
        };
        let (name, hub) = match place.split_once('@') {
            Some((name, hub)) => (name, Some(hub)),
            None => (place, None),
        };
        let mut parsed = Self::new(name, key);
        parsed.hub = hub.map(str::to_owned);
        if let Some(rights) = rights {
            parsed.rights = rights.split(',').map(right).collect::<Result<_, _>>()?;
        }
        Ok(parsed)
    }
}

fn right(name: &str) -> Result<Right, ParseKeyError> {
    [Right::Send, Right::Listen, Right::Manage]
        .into_iter()
        .find(|right| right.to_string().eq_ignore_ascii_case(name.trim()))
        .ok_or_else(|| ParseKeyError::Right(name.to_owned()))
}

/// A key given as text cannot be read. It never shows the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseKeyError {
    /// There is no `=`.
    #[error(
        "a key is written NAME[@HUB][:RIGHT,RIGHT..]=KEY, as in Writer@orders:Send=bGV0IG1lIGlu"
    )]
    NoKey,
    /// What stands for a right is none.
    #[error("'{0}' is no right: a key has Send, Listen or Manage")]
    Right(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manage_includes_send_and_listen_and_they_not_it() {
        let manage: Rights = [Right::Manage].into_iter().collect();
        let both: Rights = [Right::Send, Right::Listen].into_iter().collect();
        assert_eq!(manage, Rights::ALL);
        assert!(manage.has(Right::Send) && manage.has(Right::Listen));
        assert!(both.has(Right::Send) && both.has(Right::Listen) && !both.has(Right::Manage));
        assert!(Rights::default().is_empty() && !Rights::default().has(Right::Send));
    }

    #[test]
    fn a_key_is_read_from_text_whatever_characters_it_holds() {
        for (text, expected) in [
            ("A=a+/b==", AccessKey::new("A", "a+/b==")),
            ("A=x:Send@y", AccessKey::new("A", "x:Send@y")),
            ("A@eh1=k", AccessKey::new("A", "k").for_hub("eh1")),
            (
                "A:listen, SEND=k",
                AccessKey::new("A", "k").with_rights([Right::Send, Right::Listen]),
            ),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_key_is_refused_without_showing_one() {
        assert_eq!("A".parse::<AccessKey>(), Err(ParseKeyError::NoKey));
        let error = "A:Sned=secret".parse::<AccessKey>().unwrap_err();
        assert_eq!(error, ParseKeyError::Right("Sned".to_owned()));
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn debug_hides_the_key() {
        let shown = format!("{:?}", AccessKey::new("Root", "SAS_KEY_VALUE"));
        assert!(shown.contains("Root") && !shown.contains("SAS_KEY_VALUE"));
    }
}
