//! The official emulator's configuration file.
//!
//! Its schema: `UserConfig.NamespaceConfig[]` with `Type` (`EventHub`), `Name` and `Entities[]`, each of these with
//! `Name`, `PartitionCount` (a number in a string) and `ConsumerGroups[].Name`; and `UserConfig.LoggingConfig`. Taken
//! more widely here: any number of namespaces, hubs and groups within this emulator's limits, a count without quotes,
//! keys in any case, no logging.

use std::path::{Path, PathBuf};
use std::{fs, io};

use eventhubs_emulator::HubConfig;
use serde_json::{Map, Value};

use super::start::NamespacePlan;

/// What a file asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ConfigFile {
    pub(super) namespaces: Vec<NamespacePlan>,
    /// What it asks for in vain.
    pub(super) notes: Vec<String>,
}

/// A file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigFileError {
    #[error("{} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: {problem}", path.display())]
    Content { path: PathBuf, problem: String },
}

/// Reads a file.
///
/// # Errors
///
/// If it cannot be read, or does not say what is to be started.
pub(super) fn read(path: &Path) -> Result<ConfigFile, ConfigFileError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigFileError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(&text).map_err(|problem| ConfigFileError::Content {
        path: path.to_owned(),
        problem,
    })
}

/// What is wrong, and where.
type Result<T, E = String> = std::result::Result<T, E>;

fn parse(text: &str) -> Result<ConfigFile> {
    // Windows editors put a byte order mark in front.
    let text = text.trim_start_matches('\u{feff}');
    let root: Value =
        serde_json::from_str(text).map_err(|error| format!("this is not JSON: {error}"))?;
    let mut notes = Vec::new();
    let root = Object::new("", &root, "the file")?;
    root.note_unknown(&["UserConfig"], &mut notes);
    let user = root.object("UserConfig")?;
    user.note_unknown(&["NamespaceConfig", "LoggingConfig"], &mut notes);
    if let Some((path, _)) = user.get("LoggingConfig") {
        notes.push(format!(
            "{path} has no effect: what there is to say goes to the standard error"
        ));
    }
    let namespaces = user.objects("NamespaceConfig")?;
    let namespaces = namespaces
        .iter()
        .map(|object| namespace(object, &mut notes));
    Ok(ConfigFile {
        namespaces: namespaces.collect::<Result<_>>()?,
        notes,
    })
}

fn namespace(object: &Object<'_>, notes: &mut Vec<String>) -> Result<NamespacePlan> {
    object.note_unknown(&["Type", "Name", "Entities"], notes);
    let (path, kind) = object.text("Type")?;
    if !kind.eq_ignore_ascii_case("EventHub") {
        return Err(format!(
            "{path} is '{kind}': this emulator has namespaces of the type EventHub only"
        ));
    }
    let (_, name) = object.text("Name")?;
    let entities = object.objects("Entities")?;
    let hubs = entities.iter().map(|entity| hub(entity, notes));
    Ok(NamespacePlan {
        name: Some(name.to_owned()),
        hubs: hubs.collect::<Result<_>>()?,
    })
}

fn hub(object: &Object<'_>, notes: &mut Vec<String>) -> Result<HubConfig> {
    object.note_unknown(&["Name", "PartitionCount", "ConsumerGroups"], notes);
    let (_, name) = object.text("Name")?;
    let (path, count) = object.require("PartitionCount")?;
    let partitions = match count {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_u64().and_then(|number| number.try_into().ok()),
        _ => None,
    };
    let partitions = partitions.ok_or_else(|| {
        format!("{path} is {count}: give a number of partitions, 1 to 1024, as in \"4\"")
    })?;
    let mut hub = HubConfig::new(name).with_partitions(partitions);
    if object
        .get("ConsumerGroups")
        .is_some_and(|(_, groups)| !is_empty(groups))
    {
        for group in object.objects("ConsumerGroups")? {
            group.note_unknown(&["Name"], notes);
            hub = hub.with_consumer_group(group.text("Name")?.1);
        }
    }
    hub.validate()
        .map_err(|error| format!("{}: {error}", object.path))?;
    Ok(hub)
}

fn is_empty(list: &Value) -> bool {
    list.is_null() || list.as_array().is_some_and(Vec::is_empty)
}

/// A JSON object, and where it stands in the file.
struct Object<'a> {
    path: String,
    fields: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// `what` names it where there is no path.
    fn new(path: impl Into<String>, value: &'a Value, what: &str) -> Result<Self> {
        match value {
            Value::Object(fields) => Ok(Self {
                path: path.into(),
                fields,
            }),
            _ => Err(format!("{what} is not an object: write {{ .. }}")),
        }
    }

    /// The path of a field.
    fn path_of(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    /// The field of that name, whatever its case, and where it stands.
    fn get(&self, name: &str) -> Option<(String, &'a Value)> {
        let mut fields = self.fields.iter();
        let (key, value) = fields.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some((self.path_of(key), value))
    }

    fn require(&self, name: &str) -> Result<(String, &'a Value)> {
        let missing = || format!("{} is missing", self.path_of(name));
        self.get(name).ok_or_else(missing)
    }

    fn object(&self, name: &str) -> Result<Object<'a>> {
        let (path, value) = self.require(name)?;
        Object::new(path.clone(), value, &path)
    }

    /// The objects of a list, of which there is one at least.
    fn objects(&self, name: &str) -> Result<Vec<Object<'a>>> {
        let (path, value) = self.require(name)?;
        let Value::Array(items) = value else {
            return Err(format!("{path} is not a list: write [ .. ]"));
        };
        if items.is_empty() {
            return Err(format!("{path} is empty: put one in at least"));
        }
        let item = |(index, item)| {
            let path = format!("{path}[{index}]");
            Object::new(path.clone(), item, &path)
        };
        items.iter().enumerate().map(item).collect()
    }

    fn text(&self, name: &str) -> Result<(String, &'a str)> {
        let (path, value) = self.require(name)?;
        match value {
            Value::String(text) => Ok((path, text)),
            _ => Err(format!("{path} is not a text: write it in quotes")),
        }
    }

    fn note_unknown(&self, known: &[&str], notes: &mut Vec<String>) {
        let is_known = |key: &str| known.iter().any(|name| name.eq_ignore_ascii_case(key));
        let unknown = self.fields.keys().filter(|key| !is_known(key));
        notes.extend(
            unknown.map(|key| format!("{} is not known here and has no effect", self.path_of(key))),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const OFFICIAL: &str = include_str!("../../tests/data/official-config.json");

    fn entity(entity: &Value) -> Result<ConfigFile> {
        let namespace = json!({"Type": "EventHub", "Name": "ns", "Entities": [entity]});
        parse(&json!({"UserConfig": {"NamespaceConfig": [namespace]}}).to_string())
    }

    fn one_hub(config: ConfigFile) -> HubConfig {
        let [mut namespace] = <[_; 1]>::try_from(config.namespaces).unwrap();
        assert_eq!(namespace.hubs.len(), 1);
        namespace.hubs.remove(0)
    }

    #[test]
    fn the_official_sample_is_taken_as_it_is() {
        let hub = HubConfig::new("eh1").with_partitions(2);
        let expected = ConfigFile {
            namespaces: vec![NamespacePlan {
                name: Some("emulatorNs1".into()),
                hubs: vec![hub.with_consumer_group("cg1")],
            }],
            notes: vec![
                "UserConfig.LoggingConfig has no effect: what there is to say goes to the standard error".into(),
            ],
        };
        assert_eq!(parse(OFFICIAL), Ok(expected));
    }

    #[test]
    fn keys_in_another_case_and_a_byte_order_mark_change_nothing() {
        let lower = OFFICIAL
            .replace("NamespaceConfig", "namespaceconfig")
            .replace("PartitionCount", "partitionCount");
        let config = parse(&format!("\u{feff}{lower}")).unwrap();
        assert_eq!(config, parse(OFFICIAL).unwrap());
    }

    #[test]
    fn a_partition_count_is_a_number_in_quotes_or_not() {
        for count in [json!("7"), json!(7)] {
            let hub = one_hub(entity(&json!({"Name": "a", "PartitionCount": count})).unwrap());
            assert_eq!(hub, HubConfig::new("a").with_partitions(7));
        }
    }

    #[test]
    fn no_consumer_groups_and_the_default_one_are_the_same() {
        for groups in [json!([]), json!(null), json!([{"Name": "$default"}])] {
            let entity =
                entity(&json!({"Name": "a", "PartitionCount": 1, "ConsumerGroups": groups}));
            let hub = one_hub(entity.unwrap());
            assert!(hub.consumer_groups().eq(["$Default"]), "{groups}");
        }
    }

    #[test]
    fn what_is_not_known_is_noted_by_its_path() {
        let config = entity(&json!({"Name": "a", "PartitionCount": 1, "Retention": 7})).unwrap();
        let path = "UserConfig.NamespaceConfig[0].Entities[0].Retention";
        let note = format!("{path} is not known here and has no effect");
        assert_eq!(config.notes, [note]);
    }

    #[test]
    fn what_is_wrong_is_told_by_its_path() {
        let hub = "UserConfig.NamespaceConfig[0].Entities[0]";
        for (wrong, problem) in [
            (json!({"PartitionCount": 1}), ".Name is missing"),
            (
                json!({"Name": 1, "PartitionCount": 1}),
                ".Name is not a text: write it in quotes",
            ),
            (json!({"Name": "a"}), ".PartitionCount is missing"),
            (
                json!({"Name": "a", "PartitionCount": "-1"}),
                ".PartitionCount is \"-1\": give a number of partitions, 1 to 1024, as in \"4\"",
            ),
            (
                json!({"Name": "a", "PartitionCount": 2000}),
                ": the event hub 'a' cannot have 2000 partitions: choose 1 to 1024",
            ),
            (
                json!({"Name": "a", "PartitionCount": 1, "ConsumerGroups": {}}),
                ".ConsumerGroups is not a list: write [ .. ]",
            ),
            (
                json!({"Name": "a", "PartitionCount": 1, "ConsumerGroups": ["cg1"]}),
                ".ConsumerGroups[0] is not an object: write { .. }",
            ),
        ] {
            assert_eq!(entity(&wrong), Err(format!("{hub}{problem}")), "{wrong}");
        }
    }

    #[test]
    fn a_file_that_starts_nothing_is_refused() {
        for (text, problem) in [
            (
                "",
                "this is not JSON: EOF while parsing a value at line 1 column 0",
            ),
            ("[]", "the file is not an object: write { .. }"),
            ("{}", "UserConfig is missing"),
            (
                r#"{"UserConfig":{"NamespaceConfig":[]}}"#,
                "UserConfig.NamespaceConfig is empty: put one in at least",
            ),
            (
                r#"{"UserConfig":{"NamespaceConfig":[{"Type":"ServiceBus","Name":"n","Entities":[]}]}}"#,
                "UserConfig.NamespaceConfig[0].Type is 'ServiceBus': this emulator has namespaces of the type EventHub only",
            ),
            (
                r#"{"UserConfig":{"NamespaceConfig":[{"Type":"EventHub","Name":"n","Entities":[]}]}}"#,
                "UserConfig.NamespaceConfig[0].Entities is empty: put one in at least",
            ),
        ] {
            assert_eq!(parse(text), Err(problem.to_owned()), "{text}");
        }
    }
}
