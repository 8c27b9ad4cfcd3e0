//! A table of what was measured, each beside the bare loopback of its group and the bar it is to reach.

use std::cell::RefCell;
use std::time::Duration;

/// One thing that was measured: amounts and times add up over a bench's samples.
struct Row {
    name: String,
    /// The row it is compared with.
    baseline: String,
    events: u64,
    bytes: u64,
    time: Duration,
    bar: Option<Bar>,
}

/// The rate something is to reach.
#[derive(Clone, Copy)]
pub enum Bar {
    /// Events per second.
    Events(f64),
    /// Bytes of events' bodies per second.
    Bytes(f64),
}

/// What was measured.
#[derive(Default)]
pub struct Ratios {
    rows: RefCell<Vec<Row>>,
}

impl Ratios {
    /// Adds a sample: so many events and bytes in so much time.
    pub fn add(
        &self,
        (name, baseline): (&str, &str),
        bar: Option<Bar>,
        (events, bytes): (u64, u64),
        time: Duration,
    ) {
        let mut rows = self.rows.borrow_mut();
        let index = rows.iter().position(|row| row.name == name);
        let index = index.unwrap_or_else(|| {
            rows.push(Row {
                name: name.to_owned(),
                baseline: baseline.to_owned(),
                events: 0,
                bytes: 0,
                time: Duration::ZERO,
                bar,
            });
            rows.len() - 1
        });
        let row = &mut rows[index];
        row.events += events;
        row.bytes += bytes;
        row.time += time;
    }

    /// Prints the table.
    pub fn print(&self) {
        let rows = self.rows.borrow();
        if rows.is_empty() {
            return;
        }
        println!(
            "\n{:<34} {:>12} {:>9} {:>9}  bar",
            "", "events/s", "MB/s", "of base"
        );
        for row in &*rows {
            let rate = |row: &Row| row.bytes as f64 / row.time.as_secs_f64();
            let events = row.events as f64 / row.time.as_secs_f64();
            let bar = match row.bar {
                None => String::new(),
                Some(Bar::Events(bar)) => format!("{:.2} x {bar:.0} events/s", events / bar),
                Some(Bar::Bytes(bar)) => format!("{:.2} x {:.0} MB/s", rate(row) / bar, bar / 1e6),
            };
            let base = rows.iter().find(|base| base.name == row.baseline);
            let ratio = base.map_or(String::new(), |base| {
                format!("{:.2}", rate(row) / rate(base))
            });
            println!(
                "{:<34} {events:>12.0} {:>9.0} {ratio:>9}  {bar}",
                row.name,
                rate(row) / 1e6
            );
        }
    }
}
