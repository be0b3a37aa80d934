//! Makes the C header from this folder. cbindgen writes the declarations; this module brings them into the order of the
//! sources, divides them into sections, and brings the comments into the form that readers of C expect.
//!
//! | in the sources | in the header |
//! |---|---|
//! | a file, in the order of [`SECTIONS`] | a section with a title |
//! | `@name TITLE` in the comment of a constant | the beginning of a group, which ends with the last constant of the run |
//! | a function with `cbindgen:postfix=MIDISOCK_REALTIME`, or without | the tag `[realtime]` or `[control]` before `Threads:` |
//! | the defaults of a struct in [`initialized`] | a macro after the struct, which initializes one |
//! | `# Safety` in a comment | nothing: C has the top of the header and the `Threads:` line for it |

use super::initializer::{self, Initialized};
use super::{block::midisock_block, config::midisock_config, context::midisock_context_config};
use std::path::Path;

/// The files of this folder that the header is made from, and the titles of their sections.
const SECTIONS: [(&str, &str); 13] = [
    ("version", "Version and clock"),
    ("result", "Results"),
    ("context", "Contexts"),
    ("config", "Configuration of a port"),
    ("mod", "Making and ending ports"),
    ("port", "Making and ending ports"),
    ("message", "Messages"),
    ("block", "Audio blocks"),
    ("live", "Changing a live port"),
    ("state", "State and counters"),
    ("wait", "Waiting"),
    ("notification", "Notifications and clients"),
    ("browse", "Finding one another"),
];

/// Declarations are wrapped so that no line is longer.
const WIDTH: usize = 100;
/// A comment on one line is not longer.
const COMMENT_WIDTH: usize = 120;

/// The structs that callers can initialize without a call, with the values.
fn initialized() -> [Initialized; 3] {
    let config = midisock_config::defaults(size_of::<midisock_config>() as u32);
    let context = midisock_context_config::defaults(size_of::<midisock_context_config>() as u32);
    [
        Initialized::new(
            "midisock_context_config",
            "MIDISOCK_CONTEXT_CONFIG_INIT",
            "A config with the defaults, as an initializer that calls nothing: those of this header, as in MIDISOCK_CONFIG_INIT.",
            &context,
        ),
        Initialized::new(
            "midisock_config",
            "MIDISOCK_CONFIG_INIT",
            "A config with the defaults, as an initializer that calls nothing. They are those of this header: a program that may \
             run with an older library calls midisock_config_init, which leaves out what that library does not know.",
            &config,
        ),
        Initialized::new(
            "midisock_block",
            "MIDISOCK_BLOCK_INIT",
            "A block that says nothing yet, as an initializer that calls nothing.",
            &midisock_block::NOTHING,
        ),
    ]
}

/// The header as it should be now.
pub(super) fn generated() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let bindings = cbindgen::Builder::new()
        .with_crate(root)
        .with_config(config)
        .generate()
        .unwrap();
    let mut text = Vec::new();
    bindings.write(&mut text);
    // With `usize_is_size_t` cbindgen has another name for `isize` than a handle should have.
    let text = String::from_utf8(text).unwrap().replace("ptrdiff_t", "intptr_t");
    arranged(&text, root)
}

/// One declaration with its comment.
struct Item {
    /// The index of its section, and its position in that file.
    place: (usize, usize),
    /// The lines of its comment, without the comment's marks.
    comment: Vec<String>,
    code: String,
}

/// Brings the text of cbindgen into order. Its paragraphs that begin with a comment are the declarations.
fn arranged(text: &str, root: &Path) -> String {
    let sources = SECTIONS.map(|(file, _)| std::fs::read_to_string(root.join(format!("src/ffi/{file}.rs"))).unwrap());
    let (start, rest) = text.split_at(text.find("\n/**\n").expect("a declaration"));
    let mut other = Vec::new();
    let mut items = Vec::new();
    for paragraph in rest.trim().split("\n\n") {
        match paragraph.strip_prefix("/**\n") {
            Some(declaration) => items.push(Item::read(declaration, &sources)),
            None => other.push(paragraph),
        }
    }
    items.sort_by_key(|item| item.place);
    let [open, close, guard] = other[..] else {
        panic!("not what cbindgen writes: {other:?}");
    };
    let body = sections(&items);
    format!("{}\n\n{open}\n{body}\n{close}\n\n{guard}\n", start.trim_end())
}

fn sections(items: &[Item]) -> String {
    let mut text = String::new();
    let mut in_group = false;
    let mut section = usize::MAX;
    for item in items {
        let begins = item.group();
        let goes_on = in_group && begins.is_none() && item.is_constant() && item.place.0 == section;
        if in_group && !goes_on {
            text += "/** @} */\n";
        }
        in_group = goes_on || begins.is_some();
        let same_title = section != usize::MAX && SECTIONS[section].1 == SECTIONS[item.place.0].1;
        section = item.place.0;
        if !same_title {
            text += &title(SECTIONS[section].1);
        }
        if !goes_on {
            text += "\n";
        }
        if let Some(name) = begins {
            text += &format!("/** @name {name}\n * @{{ */\n");
        }
        text += &item.written();
    }
    if in_group {
        text += "/** @} */\n";
    }
    text
}

fn title(title: &str) -> String {
    let line = "-".repeat(WIDTH - 4);
    format!("\n/* {line}\n * {title}\n * {line} */\n")
}

impl Item {
    fn read(declaration: &str, sources: &[String]) -> Self {
        let (comment, code) = declaration.split_once("\n */\n").expect("the end of a comment");
        let comment = comment.lines().map(|line| line.trim_start_matches(" *"));
        let comment = comment.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned());
        Self {
            place: place(code, sources),
            comment: without_safety(comment),
            code: code.to_owned(),
        }
    }

    fn is_constant(&self) -> bool {
        self.code.starts_with("#define")
    }

    fn is_function(&self) -> bool {
        self.code.ends_with(");") || self.code.contains(") MIDISOCK_") || self.code.contains(")\nMIDISOCK_")
    }

    fn is_struct(&self, name: &str) -> bool {
        self.code.starts_with(&format!("typedef struct {name} {{"))
    }

    /// The title of the group that begins with this constant.
    fn group(&self) -> Option<&str> {
        self.comment.first()?.strip_prefix("@name ")
    }

    fn written(&self) -> String {
        let mut lines = self.comment.clone();
        if self.group().is_some() {
            lines.drain(..2);
        }
        if self.is_function() {
            let tag = if self.code.contains("MIDISOCK_REALTIME") {
                "[realtime]"
            } else {
                "[control]"
            };
            let at = lines.iter().position(|line| line.starts_with("Threads:"));
            lines.insert(at.unwrap_or_else(|| panic!("no Threads: {}", self.code)), tag.into());
            return comment(&lines, "") + &wrapped(&self.code);
        }
        let mut text = comment(&lines, "") + &fields(&self.code);
        if let Some(found) = initialized().iter().find(|it| self.is_struct(it.name)) {
            text += &format!("\n{}", comment(&filled(found.about), ""));
            text += &initializer::written(found, &fields(&self.code), WIDTH);
        }
        text
    }
}

/// Which file a declaration comes from, and where it is in that file.
fn place(code: &str, sources: &[String]) -> (usize, usize) {
    let name = name(code);
    let kinds = ["pub const", "pub type", "pub struct", "extern \"C\" fn"];
    let places = sources.iter().enumerate().flat_map(|(section, source)| {
        let words = kinds
            .iter()
            .flat_map(|kind| [":", " ", "("].map(|after| format!("{kind} {name}{after}")));
        words.filter_map(move |words| Some((section, source.find(&words)?)))
    });
    places.min().unwrap_or_else(|| panic!("{name} is not in src/ffi"))
}

/// What a declaration declares.
fn name(code: &str) -> &str {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = |text: &'static str| code.split_once(text).map(|(_, rest)| rest);
    let rest = words("#define ")
        .or_else(|| words("typedef struct "))
        .or_else(|| words("typedef int32_t "));
    let rest = rest.unwrap_or_else(|| {
        let before = code.split_once('(').expect("a function").0;
        let start = before.rfind(|c| !is_part(c)).map_or(0, |at| at + 1);
        &before[start..]
    });
    rest.split(|c| !is_part(c)).next().unwrap_or_default()
}

/// The lines of a comment without Rust's section on safety, and without what cbindgen's annotations left behind.
fn without_safety(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.take_while(|line| line != "# Safety").collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// A comment, on one line if it has one line.
fn comment(lines: &[String], indent: &str) -> String {
    match lines {
        [line] if indent.len() + line.len() + "/**  */".len() <= COMMENT_WIDTH => format!("{indent}/** {line} */\n"),
        _ => {
            let line = |line: &String| format!("{indent} * {line}").trim_end().to_owned() + "\n";
            format!(
                "{indent}/**\n{}{indent} */\n",
                lines.iter().map(line).collect::<String>()
            )
        }
    }
}

/// A text in lines for a comment.
fn filled(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("one line");
        if line.is_empty() {
            line.push_str(word);
        } else if " * ".len() + line.len() + 1 + word.len() <= COMMENT_WIDTH {
            *line += &format!(" {word}");
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A struct, with the comments of its fields on one line where they have one line; or any other declaration.
fn fields(code: &str) -> String {
    // cbindgen ends a field that depends on the system after its `#endif`, and so leaves a stray semicolon elsewhere.
    let code = code.replace("\n#endif\n  ;", ";\n#endif");
    let lines: Vec<&str> = code.lines().collect();
    let mut text = String::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        match lines[at..] {
            ["  /**", one, "   */", ..] => {
                text += &comment(&[one.trim_start_matches("   * ").to_owned()], "  ");
                at += 3;
            }
            _ => {
                text += &format!("{line}\n");
                at += 1;
            }
        }
    }
    text
}

/// The declaration of a function, wrapped between its arguments and before its mark.
fn wrapped(code: &str) -> String {
    let words: Vec<&str> = code.split_whitespace().collect();
    let line = words
        .join(" ")
        .replace(", ", ",\n")
        .replace(") MIDISOCK_", ")\nMIDISOCK_");
    let mut text = String::new();
    let mut column = 0;
    for part in line.lines() {
        if column > 0 && column + 1 + part.len() > WIDTH {
            text += "\n    ";
            column = 4;
        } else if column > 0 {
            text += " ";
            column += 1;
        }
        text += part;
        column += part.len();
    }
    text + "\n"
}
