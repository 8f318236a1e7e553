//! Puts what has been measured into a page, between two comments.

use std::{fs, io};

/// Replaces what stands between `<!-- begin NAME -->` and `<!-- end NAME -->` in `file`.
pub fn write(file: &str, name: &str, content: &str) -> io::Result<()> {
    let page = fs::read_to_string(file)?;
    let page = replace(&page, name, content).ok_or_else(|| {
        let missing = format!("{file} has no <!-- begin {name} --> and <!-- end {name} -->");
        io::Error::new(io::ErrorKind::InvalidData, missing)
    })?;
    fs::write(file, page)
}

fn replace(page: &str, name: &str, content: &str) -> Option<String> {
    let begin = format!("<!-- begin {name} -->\n");
    let end = format!("<!-- end {name} -->");
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    let content = content.trim();
    Some(format!("{before}{begin}\n{content}\n\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::replace;

    #[test]
    fn only_what_is_between_the_comments_is_replaced() {
        let page =
            "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n<!-- begin y -->\n<!-- end y -->\n";
        let new = replace(page, "x", "new\n").unwrap();
        let x = "a\n<!-- begin x -->\n\nnew\n\n<!-- end x -->\nb\n";
        assert_eq!(new, format!("{x}<!-- begin y -->\n<!-- end y -->\n"));
        assert_eq!(replace(&new, "x", "new").unwrap(), new);
        assert_eq!(replace(page, "z", "new"), None);
    }
}
