//! File patterns as a shell's: `*`, `?`, `[a-z]`, `[!a]`, `{one,two}`, and `**` for directories of any depth. A wildcard
//! does not match a leading dot. What matches is looked up in the file system each time: files come and go.

use std::fs;
use std::io;
use std::path::{Component as PathComponent, Path, PathBuf};

use crate::limits::{FILES_MAX, GLOB_BRACES_MAX, GLOB_DEPTH_MAX};

/// A pattern for absolute paths.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    text: String,
    /// One for each choice of the braces.
    alternatives: Vec<Vec<Component>>,
}

#[derive(Clone, Debug)]
enum Component {
    Literal(String),
    Wild(Vec<Token>),
    AnyDepth,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Char(char),
    AnyChar,
    AnyChars,
    Class {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    /// Reads a pattern. A relative one is taken from the working directory.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let absolute = std::path::absolute(text)
            .map_err(|e| format!("{text:?} is not a pattern of files: {e}"))?;
        let Some(absolute) = absolute.to_str() else {
            return Err(format!("{text:?}: the working directory is not UTF-8"));
        };
        if text.ends_with('/') {
            return Err(format!(
                "{text:?} names a directory; files in it are {text}*"
            ));
        }
        let mut alternatives = Vec::new();
        expand_braces(absolute, &mut alternatives).map_err(|why| format!("{text:?}: {why}"))?;
        let alternatives = alternatives
            .iter()
            .map(|alternative| components(alternative))
            .collect::<Result<_, _>>()
            .map_err(|why| format!("{text:?}: {why}"))?;
        Ok(Self {
            text: absolute.to_owned(),
            alternatives,
        })
    }

    /// The pattern, absolute.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Adds the files that match now, in the order of their names. Directories that cannot be read are told by `problem`;
    /// ones that do not exist are not a problem.
    pub(crate) fn find(&self, found: &mut Vec<PathBuf>, problem: &mut dyn FnMut(&Path, io::Error)) {
        for alternative in &self.alternatives {
            walk(&PathBuf::from("/"), alternative, 0, found, problem);
        }
    }
}

fn walk(
    directory: &Path,
    components: &[Component],
    depth: usize,
    found: &mut Vec<PathBuf>,
    problem: &mut dyn FnMut(&Path, io::Error),
) {
    let Some((first, rest)) = components.split_first() else {
        return;
    };
    if found.len() > FILES_MAX {
        return;
    }
    let mut step = |path: PathBuf, found: &mut Vec<PathBuf>| {
        if rest.is_empty() {
            if fs::metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
                found.push(path);
            }
        } else {
            walk(&path, rest, depth, found, problem);
        }
    };
    match first {
        Component::Literal(name) => step(directory.join(name), found),
        Component::Wild(tokens) => match names(directory) {
            Ok(names) => {
                for name in names.iter().filter(|name| matches(tokens, name)) {
                    step(directory.join(name), found);
                }
            }
            Err(e) => tell(directory, e, problem),
        },
        Component::AnyDepth => {
            walk(directory, rest, depth, found, problem);
            if depth >= GLOB_DEPTH_MAX {
                return;
            }
            match names(directory) {
                Ok(names) => {
                    for name in names.iter().filter(|name| !name.starts_with('.')) {
                        let path = directory.join(name);
                        // Not through symbolic links, which may lead in a circle.
                        if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
                            walk(&path, components, depth + 1, found, problem);
                        }
                    }
                }
                Err(e) => tell(directory, e, problem),
            }
        }
    }
}

fn tell(directory: &Path, error: io::Error, problem: &mut dyn FnMut(&Path, io::Error)) {
    let is_absent = matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    );
    if !is_absent {
        problem(directory, error);
    }
}

/// The names in a directory, sorted. One that is not UTF-8 cannot be asked for and is left out.
fn names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

fn expand_braces(text: &str, into: &mut Vec<String>) -> Result<(), String> {
    let Some(open) = text.find('{') else {
        into.push(text.to_owned());
        return if into.len() > GLOB_BRACES_MAX {
            Err(format!("more than {GLOB_BRACES_MAX} choices in braces"))
        } else {
            Ok(())
        };
    };
    let mut depth = 0_usize;
    let mut choices = Vec::new();
    let mut begin = open + 1;
    for (index, c) in text.char_indices().skip_while(|(index, _)| *index < open) {
        match c {
            '{' => depth += 1,
            ',' if depth == 1 => {
                choices.push(&text[begin..index]);
                begin = index + 1;
            }
            '}' if depth == 1 => {
                choices.push(&text[begin..index]);
                for choice in choices {
                    let one = format!("{}{choice}{}", &text[..open], &text[index + 1..]);
                    expand_braces(&one, into)?;
                }
                return Ok(());
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    Err("a { without its }".to_owned())
}

fn components(text: &str) -> Result<Vec<Component>, String> {
    let mut components = Vec::new();
    for part in Path::new(text).components() {
        let name = match part {
            PathComponent::RootDir | PathComponent::CurDir | PathComponent::Prefix(_) => continue,
            PathComponent::ParentDir => "..",
            PathComponent::Normal(name) => name.to_str().unwrap_or_default(),
        };
        components.push(if name == "**" {
            Component::AnyDepth
        } else if name.contains(['*', '?', '[']) {
            Component::Wild(tokens(name)?)
        } else {
            Component::Literal(name.to_owned())
        });
    }
    match components.last() {
        None | Some(Component::AnyDepth) => Err("it ends in a directory, not in a file".to_owned()),
        Some(_) => Ok(components),
    }
}

fn tokens(name: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::AnyChars,
            '?' => Token::AnyChar,
            '[' => class(&mut chars)?,
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, String> {
    let is_negated = chars.next_if(|c| matches!(c, '!' | '^')).is_some();
    let mut ranges = Vec::new();
    loop {
        let Some(from) = chars.next() else {
            return Err("a [ without its ]".to_owned());
        };
        // The first one is a member, as a shell has it.
        if from == ']' && !ranges.is_empty() {
            return Ok(Token::Class { is_negated, ranges });
        }
        let mut ahead = chars.clone();
        let to = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(to)) if to != ']' => {
                *chars = ahead;
                to
            }
            _ => from,
        };
        ranges.push((from, to));
    }
}

/// Whether a name matches. Takes at most the product of both lengths.
fn matches(tokens: &[Token], name: &str) -> bool {
    if name.starts_with('.') && tokens.first() != Some(&Token::Char('.')) {
        return false;
    }
    let name: Vec<char> = name.chars().collect();
    let (mut token, mut at) = (0, 0);
    // Where to go on when what followed the last star did not match: it takes one character more.
    let mut again: Option<(usize, usize)> = None;
    while at < name.len() {
        match tokens.get(token) {
            Some(Token::AnyChars) => {
                again = Some((token + 1, at));
                token += 1;
            }
            Some(one) if takes(one, name[at]) => {
                token += 1;
                at += 1;
            }
            _ => match again {
                Some((after_star, from)) => {
                    token = after_star;
                    at = from + 1;
                    again = Some((after_star, from + 1));
                }
                None => return false,
            },
        }
    }
    tokens[token..]
        .iter()
        .all(|token| *token == Token::AnyChars)
}

fn takes(token: &Token, c: char) -> bool {
    match token {
        Token::Char(wanted) => *wanted == c,
        Token::AnyChar => true,
        Token::AnyChars => false,
        Token::Class { is_negated, ranges } => {
            ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *is_negated
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        matches(&tokens(pattern).unwrap(), name)
    }

    #[test]
    fn names_match_as_in_a_shell() {
        for (pattern, good, bad) in [
            ("*.log", "a.log", "a.log.1"),
            ("app.log*", "app.log.1", "xapp.log"),
            ("a?c", "abc", "abbc"),
            ("[a-c]x", "bx", "dx"),
            ("[!a-c]x", "dx", "bx"),
            ("[]a]", "]", "b"),
            ("*", "a", ".a"),
            (".*", ".a", "a"),
            ("*a*b*", "xaxbx", "xbxax"),
        ] {
            assert!(fits(pattern, good), "{pattern} {good}");
            assert!(!fits(pattern, bad), "{pattern} {bad}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_says_what_a_regular_expression_says(pattern in "[ab*?]{0,8}", name in "[ab]{0,10}") {
            let expression = pattern.replace('*', ".*").replace('?', ".");
            let expression = regex::Regex::new(&format!("^{expression}$")).unwrap();
            prop_assert_eq!(fits(&pattern, &name), expression.is_match(&name));
        }
    }

    #[test]
    fn files_are_found_and_what_is_no_file_is_not() {
        let root = tempfile::tempdir().unwrap();
        for path in ["a/x.log", "a/b/y.log", "c/z.txt", "a/.hidden.log"] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        fs::create_dir(root.path().join("a/directory.log")).unwrap();
        let find = |pattern: &str| {
            let mut found = Vec::new();
            let text = format!("{}/{pattern}", root.path().display());
            Glob::new(&text)
                .unwrap()
                .find(&mut found, &mut |path, e| panic!("{path:?}: {e}"));
            let relative = found
                .iter()
                .map(|path| path.strip_prefix(root.path()).unwrap());
            relative
                .map(|path| path.to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(find("a/*.log"), ["a/x.log"]);
        assert_eq!(find("**/*.log"), ["a/x.log", "a/b/y.log"]);
        assert_eq!(find("{a,c}/*.{log,txt}"), ["a/x.log", "c/z.txt"]);
        assert_eq!(find("*/z.txt"), ["c/z.txt"]);
        assert_eq!(find("nowhere/*.log"), [""; 0]);
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        for (pattern, why) in [
            ("/var/log/", "directory"),
            ("/var/log/**", "directory"),
            ("/var/{a", "without its }"),
            ("/var/[a", "without its ]"),
        ] {
            let error = Glob::new(pattern).unwrap_err();
            assert!(error.contains(why) && error.contains(pattern), "{error}");
        }
    }
}
