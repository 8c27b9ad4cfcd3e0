//! Where a record's file is: names of any kind as names of files.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::PathBuf;

use crate::consumer::checkpoint::record::Place;
use crate::consumer::checkpoint::scope::ConsumerScope;
use crate::partition::PartitionId;

/// The longest name of a file that every file system takes is of 255 bytes.
const MAX_NAME_BYTES: usize = 240;

/// What Windows takes for devices, whatever comes after a dot.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];

/// The path of a place's record, below the store's directory.
///
/// Two places never have the same: `%` stands only before two digits, at the end
/// of the parts of a name that is too long for one, and alone, for an empty name.
pub(super) fn path_of(place: &Place) -> PathBuf {
    scope_path_of(&place.scope).join(place.partition.to_string())
}

/// The partition of a folder's name; what is spelled in another way is none.
pub(super) fn partition_of(name: &OsStr) -> Option<PartitionId> {
    let name = name.to_str()?;
    let partition = PartitionId::new(name.parse().ok()?);
    (partition.to_string() == name).then_some(partition)
}

/// The path that the records of a scope are in.
pub(super) fn scope_path_of(scope: &ConsumerScope) -> PathBuf {
    let mut path = PathBuf::new();
    for name in [scope.namespace(), scope.hub(), scope.consumer_group()] {
        push(&mut path, name);
    }
    path
}

fn push(path: &mut PathBuf, name: &str) {
    let last = name.len().saturating_sub(1);
    let device = is_device(name);
    let mut part = String::new();
    for (at, byte) in name.bytes().enumerate() {
        // Names that begin with a dot are hidden or lead up; Windows drops a dot
        // at the end.
        let plain = match byte {
            b'.' => at != 0 && at != last,
            b'a'..=b'z' => at != 0 || !device,
            b'0'..=b'9' | b'-' | b'_' | b'$' => true,
            _ => false,
        };
        push_byte(&mut part, byte, plain);
        if part.len() >= MAX_NAME_BYTES && at != last {
            part.push('%');
            path.push(std::mem::take(&mut part));
        }
    }
    path.push(if name.is_empty() { "%" } else { &part });
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let unnumbered = stem.strip_suffix(|last: char| last.is_ascii_digit());
    DEVICES.contains(&stem) || unnumbered.is_some_and(|stem| NUMBERED_DEVICES.contains(&stem))
}

/// A text on one line of visible characters.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_graphic() && byte != b'%';
        push_byte(&mut escaped, byte, plain);
    }
    escaped
}

fn push_byte(to: &mut String, byte: u8, plain: bool) {
    if plain {
        to.push(char::from(byte));
    } else {
        write!(to, "%{byte:02X}").expect("a string takes all");
    }
}

/// The text that was escaped; `None` if it is none.
pub(super) fn unescaped(escaped: &str) -> Option<String> {
    let mut bytes = escaped.bytes();
    let mut text = Vec::with_capacity(escaped.len());
    while let Some(byte) = bytes.next() {
        text.push(match byte {
            b'%' => digit(bytes.next()?)? * 16 + digit(bytes.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(text).ok()
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    fn path(names: [&str; 3]) -> String {
        let scope = ConsumerScope::new(names[0], names[1], names[2]);
        let place = Place::new(&scope, PartitionId::new(7));
        path_of(&place).into_os_string().into_string().unwrap()
    }

    #[test]
    fn usual_names_are_kept() {
        let usual = ["NS-1.servicebus.windows.net", "Eh_1", "$Default"];
        assert_eq!(path(usual), "ns-1.servicebus.windows.net/eh_1/$default/7");
    }

    #[test]
    fn no_name_leads_elsewhere() {
        let table = [
            ("..", "%2E%2E"),
            (".", "%2E"),
            ("", "%"),
            ("%", "%25"),
            ("a/b", "a%2Fb"),
            ("a\\b", "a%5Cb"),
            ("a\0b", "a%00b"),
            ("a.b.", "a.b%2E"),
            ("c:", "c%3A"),
            ("é", "%C3%A9"),
            ("con", "%63on"),
            ("nul.txt", "%6Eul.txt"),
            ("com1", "%63om1"),
            ("lpt9.x", "%6Cpt9.x"),
            ("consumer", "consumer"),
            ("compute", "compute"),
        ];
        for (name, file) in table {
            assert_eq!(path(["ns", name, "group"]), format!("ns/{file}/group/7"));
        }
    }

    #[test]
    fn a_name_too_long_for_a_file_is_a_path() {
        let longest = "a".repeat(MAX_NAME_BYTES);
        let table = [
            (longest.clone(), format!("ns/{longest}/group/7")),
            (format!("{longest}b"), format!("ns/{longest}%/b/group/7")),
            (format!("{longest}/"), format!("ns/{longest}%/%2F/group/7")),
        ];
        for (name, file) in table {
            assert_eq!(path(["ns", &name, "group"]), file);
        }
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ab./%\\\\]{0,4}",
            "\\PC{0,8}",
            ".{0,4}",
            (238..244_usize, "[a%/é]{0,3}").prop_map(|(long, rest)| "a".repeat(long) + &rest),
        ]
    }

    proptest! {
        #[test]
        fn names_are_told_apart_and_stay_below_the_directory(
            names in proptest::collection::vec([name(), name(), name()], 2..6),
        ) {
            let mut scopes = HashSet::new();
            let mut paths = HashSet::new();
            for [namespace, hub, group] in &names {
                let scope = ConsumerScope::new(namespace, hub, group);
                let place = Place::new(&scope, PartitionId::new(7));
                let path = path_of(&place);
                for part in path.components() {
                    let Component::Normal(part) = part else {
                        panic!("{part:?}");
                    };
                    prop_assert!(part.len() <= 255);
                    let part = part.to_str().unwrap();
                    prop_assert!(part.is_ascii() && !part.starts_with('.'));
                }
                scopes.insert(scope);
                // On file systems that know no case, too.
                paths.insert(path.to_str().unwrap().to_lowercase());
            }
            prop_assert_eq!(scopes.len(), paths.len());
        }

        #[test]
        fn what_is_escaped_comes_back(text in ".*") {
            let escaped = escaped(&text);
            prop_assert!(escaped.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(unescaped(&escaped), Some(text));
        }
    }
}
