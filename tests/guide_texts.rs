//! The error texts that the guide explains are those that are produced.

use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../src/guide/troubleshooting.rs");

/// What changes in a text.
const HOLE: char = '…';

/// The texts of the page: the lines of its blocks, and the first column of its table.
fn texts() -> Vec<&'static str> {
    let mut in_block = false;
    let mut texts = Vec::new();
    for line in PAGE.lines().map(|line| line.trim_start_matches("//! ")) {
        match line {
            "```text" => in_block = true,
            "```" => in_block = false,
            text if in_block => texts.push(text),
            row => {
                let cell = row
                    .strip_prefix("| `")
                    .and_then(|row| row.split_once("` |"));
                texts.extend(cell.map(|(text, _)| text));
            }
        }
    }
    texts
}

/// All sources below a directory but the guide's, strings that go on in a next line
/// put together.
fn sources(directory: &Path, found: &mut String) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.ends_with("src/guide") {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            for piece in text.split("\\\n") {
                found.push_str(piece.trim_start());
            }
        }
    }
}

/// Whether every piece of a text stands in the sources.
fn is_produced(text: &str, sources: &str) -> bool {
    text.split(HOLE).all(|piece| sources.contains(piece))
}

#[test]
fn every_text_that_the_guide_explains_is_produced() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = String::new();
    sources(&root.join("src"), &mut found);
    sources(&root.join("emulator/src"), &mut found);
    let texts = texts();
    assert!(texts.len() > 50, "the page is read as it is written");
    let strange: Vec<_> = texts
        .into_iter()
        .filter(|text| !is_produced(text, &found))
        .collect();
    assert!(strange.is_empty(), "produced nowhere: {strange:#?}");
}

#[test]
fn a_text_that_was_reworded_is_noticed() {
    let source = "format!(\"partition {partition} was lost: {error}\")";
    assert!(is_produced("partition … was lost: …", source));
    assert!(!is_produced("partition … was stolen: …", source));
}
