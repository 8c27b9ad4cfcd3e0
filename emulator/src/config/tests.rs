use super::*;

fn with_hub(hub: HubConfig) -> Result<(), ConfigError> {
    Config {
        hubs: vec![hub],
        ..Config::default()
    }
    .validate()
}

#[test]
fn the_default_is_the_official_emulators_namespace_with_four_partitions() {
    let config = Config::default();
    assert_eq!(config.validate(), Ok(()));
    assert_eq!(config.namespace, "emulatorNs1");
    assert_eq!(config.hubs[0].name(), "eh1");
    assert_eq!(config.hubs[0].partitions(), 4);
    assert!(config.hubs[0].consumer_groups().eq(["$Default", "cg1"]));
    assert_eq!(
        config.keys,
        [AccessKey::new("RootManageSharedAccessKey", "SAS_KEY_VALUE")]
    );
    assert_eq!(config.retention_bytes, 1_073_741_824);
    assert_eq!(config.max_message_size, 1_048_576);
}

#[test]
fn a_namespace_has_a_name_that_a_host_could_have() {
    let longest = "n".repeat(50);
    let named = |name: &str| {
        Config {
            namespace: name.to_owned(),
            ..Config::default()
        }
        .validate()
    };
    for name in ["emulatorNs1", "a", "my-ns-2", &longest] {
        assert_eq!(named(name), Ok(()));
    }
    for name in [
        "",
        "1st",
        "-a",
        "a-",
        "a.b",
        "a b",
        "ä",
        "a\"",
        &(longest + "n"),
    ] {
        let error = Err(ConfigError::NamespaceName { name: name.into() });
        assert_eq!(named(name), error);
    }
}

#[test]
fn the_default_group_is_implicit_and_never_doubled() {
    let hub = HubConfig::new("a").with_consumer_group("$default");
    assert!(hub.consumer_groups().eq(["$Default"]));
    assert_eq!(with_hub(hub), Ok(()));
}

#[test]
fn partitions_from_1_to_1024_are_accepted_and_no_others() {
    for (partitions, ok) in [(0, false), (1, true), (1024, true), (1025, false)] {
        let result = with_hub(HubConfig::new("a").with_partitions(partitions));
        assert_eq!(result.is_ok(), ok, "{partitions}");
    }
}

#[test]
fn names_that_an_address_or_the_service_cannot_hold_are_refused() {
    let long = |n: usize| "x".repeat(n);
    for (name, ok) in [
        ("eh-1_a.b", true),
        (&long(256), true),
        (&long(257), false),
        ("", false),
        ("a/b", false),
        ("$cbs", false),
        ("a b", false),
        ("ä", false),
    ] {
        assert_eq!(with_hub(HubConfig::new(name)).is_ok(), ok, "{name}");
    }
    for (group, ok) in [(&long(50), true), (&long(51), false), (&"$x".into(), false)] {
        let hub = HubConfig::new("a").with_consumer_group(group.as_str());
        assert_eq!(with_hub(hub).is_ok(), ok, "{group}");
    }
}

#[test]
fn duplicates_are_found_whatever_their_case() {
    let mut config = Config::default();
    config.hubs.push(HubConfig::new("EH1"));
    let duplicate = ConfigError::DuplicateHub { name: "EH1".into() };
    assert_eq!(config.validate(), Err(duplicate));
    let hub = HubConfig::new("a")
        .with_consumer_group("g")
        .with_consumer_group("G");
    assert!(matches!(
        with_hub(hub),
        Err(ConfigError::DuplicateGroup { .. })
    ));
}

#[test]
fn a_hub_is_read_from_text() {
    assert_eq!("a".parse(), Ok(HubConfig::new("a")));
    assert_eq!("a:8".parse(), Ok(HubConfig::new("a").with_partitions(8)));
    let hub = HubConfig::new("a")
        .with_partitions(2)
        .with_consumer_group("g")
        .with_consumer_group("h");
    assert_eq!("a:2:g, h".parse(), Ok(hub));
    let error = "a:many".parse::<HubConfig>().unwrap_err();
    assert!(error.to_string().starts_with("'many' is not a number"));
}

#[test]
fn a_key_without_rights_or_hub_is_refused() {
    let with_key = |key| {
        Config {
            keys: vec![key],
            ..Config::default()
        }
        .validate()
    };
    assert_eq!(with_key(AccessKey::new("a", "k").for_hub("EH1")), Ok(()));
    let name = || "a".to_owned();
    assert_eq!(
        with_key(AccessKey::new("a", "k").with_rights([])),
        Err(ConfigError::KeyWithoutRights { name: name() })
    );
    let hub = "eh2".to_owned();
    assert_eq!(
        with_key(AccessKey::new("a", "k").for_hub("eh2")),
        Err(ConfigError::KeyOfNoHub { name: name(), hub })
    );
}

#[test]
fn each_tier_has_its_quota_of_partitions_and_groups() {
    let validate = |tier, partitions, groups| {
        let mut hub = HubConfig::new("a").with_partitions(partitions);
        for group in 1..groups {
            hub = hub.with_consumer_group(group.to_string());
        }
        hub.validate_for(tier)
    };
    for (tier, partitions, groups) in [
        (None, 1024, 1000),
        (Some(Tier::Basic), 32, 1),
        (Some(Tier::Standard), 32, 20),
        (Some(Tier::Premium), 100, 100),
        (Some(Tier::Dedicated), 1024, 1000),
    ] {
        assert_eq!(validate(tier, partitions, groups), Ok(()), "{tier:?}");
        let error = validate(tier, partitions + 1, groups).unwrap_err();
        assert!(matches!(error, ConfigError::Partitions { .. }), "{tier:?}");
        let error = validate(tier, partitions, groups + 1).unwrap_err();
        assert!(
            matches!(error, ConfigError::TooManyGroups { .. }),
            "{tier:?}"
        );
    }
}

#[test]
fn what_is_over_a_quota_is_told_what_to_do() {
    let hub = HubConfig::new("a").with_partitions(33);
    assert_eq!(
        hub.validate_for(Some(Tier::Standard))
            .unwrap_err()
            .to_string(),
        "the event hub 'a' cannot have 33 partitions: choose 1 to 32, or another tier"
    );
    let hub = HubConfig::new("a").with_consumer_group("g");
    assert_eq!(
        hub.validate_for(Some(Tier::Basic)).unwrap_err().to_string(),
        "the event hub 'a' cannot have 2 consumer groups with $Default: choose 1 at most, or another tier"
    );
}
