//! Reads what was told to a metrics recorder.

// Each test binary uses a part of it.
#![allow(dead_code)]

use metrics_util::debugging::{DebugValue, Snapshotter};

/// All metrics at one moment. Reading them sets them back to nothing.
#[derive(Debug)]
pub(crate) struct Readings(Vec<Reading>);

#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    value: DebugValue,
}

pub(crate) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Readings {
    pub(crate) fn take(from: &Snapshotter) -> Self {
        let all = from.snapshot().into_vec().into_iter();
        let readings = all.map(|(key, _, _, value)| Reading {
            name: key.key().name().to_owned(),
            labels: key
                .key()
                .labels()
                .map(|label| (label.key().to_owned(), label.value().to_owned()))
                .collect(),
            value,
        });
        Self(readings.collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Reading> {
        self.0.iter()
    }

    /// Those of a name with these labels among theirs.
    fn of<'a>(&'a self, name: &'a str, labels: Labels<'a>) -> impl Iterator<Item = &'a Reading> {
        let has = |reading: &Reading, (key, value): &(&str, &str)| {
            let mut own = reading.labels.iter();
            own.any(|(own_key, own_value)| own_key == key && own_value == value)
        };
        self.0.iter().filter(move |reading| {
            reading.name == name && labels.iter().all(|label| has(reading, label))
        })
    }

    /// The sum of those counters.
    pub(crate) fn counter(&self, name: &str, labels: Labels<'_>) -> u64 {
        let counts = self.of(name, labels).map(|reading| match reading.value {
            DebugValue::Counter(count) => count,
            _ => panic!("{name} is no counter"),
        });
        counts.sum()
    }

    /// The only gauge of that name with these labels.
    pub(crate) fn gauge(&self, name: &str, labels: Labels<'_>) -> f64 {
        let mut gauges = self.of(name, labels).map(|reading| match reading.value {
            DebugValue::Gauge(value) => value.into_inner(),
            _ => panic!("{name} is no gauge"),
        });
        let value = gauges.next().expect("a gauge");
        assert!(gauges.next().is_none(), "{name} {labels:?} is ambiguous");
        value
    }

    /// The values of those histograms.
    pub(crate) fn histogram(&self, name: &str, labels: Labels<'_>) -> Vec<f64> {
        let values = self
            .of(name, labels)
            .flat_map(|reading| match &reading.value {
                DebugValue::Histogram(values) => values.iter().map(|value| value.into_inner()),
                _ => panic!("{name} is no histogram"),
            });
        values.collect()
    }
}
