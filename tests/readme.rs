//! What the pages for people link, name and tell to run is there. `.ci/newcomer` runs what the README tells.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The pages, from the checkout's root. The last two are of crates of their own.
const PAGES: [&str; 8] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "BENCHMARKS.md",
    "emulator/README.md",
    "interop/README.md",
];

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A page: where it is, and what it says.
struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    fn read(path: impl AsRef<Path>) -> Self {
        let path = Path::new(ROOT).join(path);
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, text }
    }

    /// Its text without its blocks.
    fn prose(&self) -> String {
        self.text.split("```").step_by(2).collect()
    }

    /// The paths that it links, and the anchors in them.
    fn links(&self) -> Vec<(String, String)> {
        let prose = self.prose();
        let targets = prose.split("](").skip(1);
        let targets = targets.filter_map(|rest| rest.split(')').next());
        let own = targets.filter(|target| !target.contains("://"));
        own.map(|target| target.split_once('#').unwrap_or((target, "")))
            .map(|(path, anchor)| (path.to_owned(), anchor.to_owned()))
            .collect()
    }

    /// What it has as code: the lines of its blocks, and what stands in backticks.
    fn code(&self) -> Vec<String> {
        let blocks = self.text.split("```").skip(1).step_by(2);
        let lines = blocks.flat_map(|block| block.lines().skip(1));
        let prose = self.prose();
        let spans = prose.split('`').skip(1).step_by(2);
        lines.chain(spans).map(one_line).collect()
    }

    /// The anchors of its headings.
    fn anchors(&self) -> BTreeSet<String> {
        let mut in_block = false;
        let mut anchors = BTreeSet::new();
        for line in self.text.lines() {
            in_block ^= line.starts_with("```");
            if let Some(title) = line.strip_prefix('#').filter(|_| !in_block) {
                anchors.insert(anchor(title.trim_start_matches('#').trim()));
            }
        }
        anchors
    }
}

fn one_line(code: &str) -> String {
    code.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a heading is called in a link.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c if c.is_alphanumeric() => Some(c.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

/// Whether this is a checkout: a published crate lacks the others, and CI.
fn is_checkout() -> bool {
    Path::new(ROOT).join("interop").exists()
}

fn pages() -> impl Iterator<Item = Page> {
    let here = |path: &&str| is_checkout() || !path.contains('/');
    PAGES.into_iter().filter(here).map(Page::read)
}

/// The words that follow an option of cargo in what a page has as code: `--example send`.
fn named<'a>(code: &'a [String], option: &'a str) -> impl Iterator<Item = &'a str> {
    let of_cargo = |line: &&String| {
        let is_of_others = line.contains("cargo add ") && !line.contains("eventhubs-");
        (line.contains("cargo ") || line.starts_with("--")) && !is_of_others
    };
    code.iter().filter(of_cargo).flat_map(move |line| {
        // What follows the first `--` alone is for the program.
        let own = line.split(" -- ").next().unwrap_or_default();
        let mut words = own.split_whitespace();
        std::iter::from_fn(move || {
            words.find(|word| *word == option)?;
            words.next()
        })
    })
}

/// The names of what cargo builds of a directory: Rust files, and folders with a `main.rs`.
fn files(directory: &str) -> BTreeSet<String> {
    let path = Path::new(ROOT).join(directory);
    let Ok(entries) = fs::read_dir(path) else {
        return BTreeSet::new();
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let is_source = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").exists()
    };
    let sources = paths.filter(is_source);
    sources
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

/// The features of the library, and those by default.
fn features() -> (BTreeSet<String>, BTreeSet<String>) {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    let section = manifest.lines().skip_while(|line| *line != "[features]");
    let section = section.skip(1).take_while(|line| !line.starts_with('['));
    let (mut all, mut default) = (BTreeSet::new(), BTreeSet::new());
    for line in section {
        match line.split_once(" = ") {
            Some(("default", list)) => {
                default.extend(list.split('"').skip(1).step_by(2).map(str::to_owned));
            }
            Some((name, _)) => _ = all.insert(name.to_owned()),
            None => {}
        }
    }
    (all, default)
}

#[test]
fn whatever_a_page_links_is_there() {
    let mut links = 0;
    for page in pages() {
        for (path, anchor) in page.links() {
            links += 1;
            let target = match path.as_str() {
                "" => page.path.clone(),
                path => page.path.parent().unwrap().join(path),
            };
            if !is_checkout() && !target.exists() {
                continue;
            }
            let from = page.path.display();
            assert!(target.exists(), "{from} links {path}");
            if !anchor.is_empty() {
                let anchors = Page::read(target).anchors();
                assert!(anchors.contains(&anchor), "{from} links {path}#{anchor}");
            }
        }
    }
    assert!(links > 10, "the pages are read as they are written");
}

#[test]
fn the_readme_names_all_examples_and_no_others() {
    let readme = Page::read("README.md");
    let (code, links) = (readme.code(), readme.links());
    let examples = files("examples");
    let known = examples
        .union(&files("interop/examples"))
        .cloned()
        .collect::<BTreeSet<_>>();
    if is_checkout() {
        for name in named(&code, "--example") {
            assert!(known.contains(name), "there is no example '{name}'");
        }
    }
    for example in &examples {
        let path = format!("examples/{example}.rs");
        let is_named = code.contains(example)
            || named(&code, "--example").any(|name| name == example)
            || links.iter().any(|(link, _)| *link == path);
        assert!(is_named, "README does not name the example '{example}'");
    }
}

#[test]
fn the_readme_has_a_table_of_all_features_and_no_others() {
    let readme = Page::read("README.md");
    let table = readme
        .text
        .lines()
        .skip_while(|line| !line.starts_with("| feature |"));
    let rows = table.skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<_>> = rows
        .map(|row| row.split('|').map(str::trim).collect())
        .collect();
    let name = |row: &Vec<&str>| row[1].trim_matches('`').to_owned();
    let (all, default) = features();
    assert_eq!(rows.iter().map(name).collect::<BTreeSet<_>>(), all);
    let by_default = rows.iter().filter(|row| row[2] == "yes");
    assert_eq!(by_default.map(name).collect::<BTreeSet<_>>(), default);
}

#[test]
fn whatever_a_page_tells_cargo_to_run_is_there() {
    if !is_checkout() {
        return;
    }
    let targets = |kind: &str| -> BTreeSet<String> {
        let directories = ["", "emulator/", "interop/"].map(|of| format!("{of}{kind}"));
        directories
            .iter()
            .flat_map(|directory| files(directory))
            .collect()
    };
    let (features, _) = features();
    let crates = ["eventhubs-flow", "eventhubs-emulator", "eventhubs-interop"];
    let crates: BTreeSet<_> = crates.map(str::to_owned).into();
    let known = [
        ("--example", targets("examples")),
        ("--bench", targets("benches")),
        ("--test", targets("tests")),
        ("--features", features),
        ("--package", crates.clone()),
        ("-p", crates),
    ];
    for page in pages() {
        let code = page.code();
        for (option, known) in &known {
            for names in named(&code, option) {
                for name in names.split(',') {
                    let from = page.path.display();
                    assert!(known.contains(name), "{from} has `{option} {name}`");
                }
            }
        }
        let scripts = code.iter().flat_map(|line| line.split_whitespace());
        for script in scripts.filter(|word| word.starts_with(".ci/") && word.len() > 4) {
            let from = page.path.display();
            assert!(
                Path::new(ROOT).join(script).exists(),
                "{from} has `{script}`"
            );
        }
    }
}

#[test]
fn pages_are_read_as_people_read_them() {
    let page = Page {
        path: PathBuf::from("page.md"),
        text: "# What it *is*, and `why`\n[a](b.md#c-d) [e](https://f.g)\n\
               ```sh\ncargo run --example x    # -p y\ncargo bench -- --bench z\n```\nor `cargo\ntest -p w`.\n"
            .to_owned(),
    };
    assert_eq!(page.links(), [("b.md".to_owned(), "c-d".to_owned())]);
    assert_eq!(page.anchors(), ["what-it-is-and-why".to_owned()].into());
    let code = page.code();
    assert_eq!(named(&code, "--example").collect::<Vec<_>>(), ["x"]);
    assert_eq!(named(&code, "-p").collect::<Vec<_>>(), ["y", "w"]);
    assert_eq!(named(&code, "--bench").count(), 0);
}
