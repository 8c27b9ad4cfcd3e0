//! The extension traits: `use eventhubs_flow::prelude::*;`

pub use crate::consumer::EventStream;
pub use crate::producer::ProducerExt;
pub use crate::stream::EventStreamExt;
