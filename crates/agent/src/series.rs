//! Which names are those of one log over its rotations: `app.log`, `app.log.1`, `app.log-20260131`, `app.log.old`.
//!
//! The answer is a hint. Files are only taken for each other's successors when a rename or a truncation was seen.

/// What stands between a name and what a rotation adds to it.
const SEPARATORS: &[char] = &['.', '-', '_', 'T', ':'];
const WORDS: &[&str] = &["~", ".old", ".bak"];
/// Endings of files that were compressed, which is what rotation does to old ones: nothing is read of them.
const COMPRESSED: &[&str] = &[
    ".gz", ".bz2", ".xz", ".zst", ".zip", ".Z", ".lz4", ".lzo", ".tgz", ".7z",
];
/// First bytes of the same, for whatever name they have: gzip, bzip2, xz, zstd.
const COMPRESSED_HEADS: &[&[u8]] = &[
    b"\x1f\x8b\x08",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"\x28\xb5\x2f\xfd",
];

/// The name without what rotations added.
pub(crate) fn series(name: &str) -> &str {
    let mut name = name;
    loop {
        let shorter = without_word(name).or_else(|| without_number(name));
        match shorter {
            Some(shorter) if !shorter.is_empty() => name = shorter,
            _ => return name,
        }
    }
}

/// Whether a name is that of a compressed file.
pub(crate) fn is_compressed_name(name: &str) -> bool {
    COMPRESSED.iter().any(|ending| name.ends_with(ending))
}

/// Whether a file that begins so is compressed.
pub(crate) fn is_compressed_head(head: &[u8]) -> bool {
    COMPRESSED_HEADS.iter().any(|magic| head.starts_with(magic))
}

fn without_word(name: &str) -> Option<&str> {
    WORDS.iter().find_map(|word| name.strip_suffix(word))
}

fn without_number(name: &str) -> Option<&str> {
    let rest = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if rest.len() == name.len() {
        return None;
    }
    rest.strip_suffix(SEPARATORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rotation_adds_is_taken_off() {
        for name in [
            "app.log",
            "app.log.1",
            "app.log.12",
            "app.log-20260131",
            "app.log-2026-01-31T10:00",
            "app.log.2026-01-31.3",
            "app.log.old",
            "app.log~",
            "app.log-1769850000",
        ] {
            assert_eq!(series(name), "app.log", "{name}");
        }
        for name in ["worker-1.log", "log", "7", ".1", "a.7z"] {
            assert_eq!(series(name), name, "{name}");
        }
    }

    #[test]
    fn compressed_files_are_known_by_name_and_by_head() {
        assert!(is_compressed_name("app.log.2.gz") && !is_compressed_name("app.log"));
        assert!(is_compressed_head(b"\x1f\x8b\x08\x00") && !is_compressed_head(b"2026"));
    }
}
