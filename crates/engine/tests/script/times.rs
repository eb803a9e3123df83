//! Times as a script writes them: `500ms`, `30s`, `5m`, `12h`, `4d`.

const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Milliseconds.
pub(crate) fn parse_ms(text: &str) -> u64 {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, ms) = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .expect("a unit of time");
    number.parse::<u64>().expect("a number") * ms
}

/// Seconds, and milliseconds where it is not whole seconds.
pub(crate) fn show_ms(ms: u64) -> String {
    match ms % 1_000 {
        0 => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    }
}
