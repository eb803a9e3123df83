//! Keys: from the file that the configuration names, from AWS's variables, or from the file that AWS's variable names.

use std::path::Path;

use crate::sign::Credentials;

/// The section that is read.
const SECTION: &str = "[default]";

/// Finds them. A file that is named and has none is an error: others would be somebody else's.
pub(super) fn find(
    file: Option<&Path>,
    set: &impl Fn(&str) -> Option<String>,
) -> Result<Credentials, String> {
    if let Some(file) = file {
        return of_file(file);
    }
    match (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) {
        (Some(access_key), Some(secret_key)) => Ok(Credentials {
            access_key,
            secret_key,
            session_token: set("AWS_SESSION_TOKEN"),
        }),
        (Some(_), None) => Err("AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not".into()),
        (None, Some(_)) => Err("AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not".into()),
        (None, None) => match set("AWS_SHARED_CREDENTIALS_FILE") {
            Some(file) => of_file(Path::new(&file)),
            None => Err(
                "there are no keys; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or credentials_file"
                    .into(),
            ),
        },
    }
}

fn of_file(path: &Path) -> Result<Credentials, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| format!("credentials_file {}: {e}", path.display()))?;
    parse(&text).ok_or_else(|| {
        format!(
            "credentials_file {}: no aws_access_key_id and aws_secret_access_key under {SECTION}",
            path.display()
        )
    })
}

fn parse(text: &str) -> Option<Credentials> {
    let lines = text.lines().map(str::trim);
    let section = lines
        .skip_while(|line| *line != SECTION)
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    let (mut access_key, mut secret_key, mut session_token) = (None, None, None);
    for line in section.filter(|line| !line.starts_with(['#', ';'])) {
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        match name.trim() {
            "aws_access_key_id" => access_key = value,
            "aws_secret_access_key" => secret_key = value,
            "aws_session_token" => session_token = value,
            _ => {}
        }
    }
    Some(Credentials {
        access_key: access_key?,
        secret_key: secret_key?,
        session_token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_section_of_a_file_is_read() {
        let text = "[other]\naws_access_key_id = no\n\n[default]\n# mine\naws_access_key_id=a\n\
                    aws_secret_access_key = b=c\n[third]\naws_session_token = no\n";
        let found = parse(text).unwrap();
        assert_eq!(
            (found.access_key.as_str(), found.secret_key.as_str()),
            ("a", "b=c")
        );
        assert!(found.session_token.is_none());
        assert!(parse("[default]\naws_access_key_id = a\n").is_none());
    }

    #[test]
    fn what_is_missing_is_named() {
        let only = |name: &'static str| move |asked: &str| (asked == name).then(|| "x".to_owned());
        let error = find(None, &only("AWS_ACCESS_KEY_ID")).unwrap_err();
        assert!(error.contains("AWS_SECRET_ACCESS_KEY is not"), "{error}");
        let error = find(None, &only("")).unwrap_err();
        assert!(error.contains("credentials_file"), "{error}");
        let error = find(Some(Path::new("/nowhere")), &only("")).unwrap_err();
        assert!(error.contains("/nowhere"), "{error}");
    }
}
