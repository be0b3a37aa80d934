//! Initializers of the C header: a struct's values as a C program writes them. The declaration in the header says which
//! fields there are and of which types, and the values come from the library's own defaults, so neither is written twice.

/// Stands for a null pointer in C and in C++.
const NULL: &str = "MIDISOCK_NULL";
/// Stands for a zero and a comma where pointers have 32 bits, and for nothing elsewhere.
const ZERO_ON_32_BIT: &str = "MIDISOCK_ZERO_ON_32_BIT";

/// A struct with its values, and the macro for them.
pub(super) struct Initialized {
    pub name: &'static str,
    makro: &'static str,
    /// The comment of the macro.
    pub about: &'static str,
    bytes: Vec<u8>,
}

impl Initialized {
    /// `T` has no byte between its fields.
    pub(super) fn new<T: Copy>(name: &'static str, makro: &'static str, about: &'static str, value: &T) -> Self {
        // SAFETY: the struct is `size_of::<T>()` bytes long. Its file asserts that every byte belongs to a field, and a
        // pointer in it is only compared with NULL.
        let bytes = unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast::<u8>(), size_of::<T>()) };
        Self {
            name,
            makro,
            about,
            bytes: bytes.to_vec(),
        }
    }
}

/// The macro. `declaration` is the struct as the header has it.
pub(super) fn written(of: &Initialized, declaration: &str, width: usize) -> String {
    let values = values(of, declaration);
    let mut text = format!("#define {} \\\n    {{", of.makro);
    let mut column = 5;
    for (number, value) in values.iter().enumerate() {
        let last = number + 1 == values.len();
        let end = if last { "}" } else { "," };
        if column + 1 + value.len() + end.len() + " \\".len() > width {
            text += " \\\n    ";
            column = 4;
        } else if number > 0 {
            text += " ";
            column += 1;
        }
        text += value;
        text += end;
        column += value.len() + end.len();
    }
    text + "\n"
}

fn values(of: &Initialized, declaration: &str) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    let mut at = 0;
    let mut only_on_32_bit = false;
    let mut prefix = String::new();
    let lines = without_comments(declaration);
    let lines = lines.lines().map(str::trim).skip(1);
    for line in lines
        .take_while(|line| !line.starts_with('}'))
        .filter(|line| !line.is_empty())
    {
        if line.starts_with('#') {
            only_on_32_bit = line.starts_with("#if");
            assert!(!only_on_32_bit || line.contains("MIDISOCK_32_BIT"), "{line}");
            continue;
        }
        if only_on_32_bit {
            prefix += ZERO_ON_32_BIT;
            prefix += " ";
            if cfg!(not(target_pointer_width = "32")) {
                continue;
            }
        }
        let value = value(of, line, &mut at);
        if !only_on_32_bit {
            values.push(std::mem::take(&mut prefix) + &value);
        }
    }
    if !prefix.is_empty() {
        // The last field is of 32-bit systems. Its comma may end the list.
        values.push(prefix.trim_end().to_owned());
    }
    assert_eq!(at, of.bytes.len(), "{}: fields of the header", of.name);
    values
}

fn without_comments(text: &str) -> String {
    let mut parts = text.split("/**");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once("*/").expect("the end of a comment").1
    })
}

/// The value of one field, which is next.
fn value(of: &Initialized, field: &str, at: &mut usize) -> String {
    let pointer = field.contains('*');
    let kind = field.split_whitespace().next().unwrap_or_default();
    let size = match kind {
        _ if pointer => size_of::<usize>(),
        "uint32_t" | "int32_t" => 4,
        "uint64_t" | "int64_t" | "double" => 8,
        _ => panic!("{}: {field}", of.name),
    };
    let bytes = &of.bytes[*at..*at + size];
    *at += size;
    let number = bytes
        .iter()
        .rev()
        .fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    match kind {
        _ if pointer => {
            assert_eq!(number, 0, "{}: {field}", of.name);
            NULL.to_owned()
        }
        _ if field.ends_with(" struct_size;") => format!("sizeof({})", of.name),
        "double" => format!("{:?}", f64::from_bits(number)),
        "int32_t" => (number as u32).cast_signed().to_string(),
        "int64_t" => number.cast_signed().to_string(),
        _ if number == u64::MAX => "UINT64_MAX".to_owned(),
        "uint32_t" if number > i32::MAX as u64 => format!("{number}u"),
        _ => number.to_string(),
    }
}
