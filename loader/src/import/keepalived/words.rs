//! The text of a `keepalived.conf` as statements, some with a block of others.

use crate::import::Refusal;

/// Blocks in blocks. keepalived itself knows four levels.
const DEPTH_MAX: usize = 16;

/// A keyword with its values, and the block that follows it.
#[derive(Debug, Default)]
pub struct Statement {
    /// Where it stands, from 1.
    pub line: usize,
    /// The keyword and its values.
    pub words: Vec<String>,
    /// What stands in braces behind it.
    pub block: Option<Vec<Statement>>,
}

impl Statement {
    /// The keyword.
    #[must_use]
    pub fn keyword(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// A value, from 1; empty if it is not there.
    #[must_use]
    pub fn value(&self, place: usize) -> &str {
        self.words.get(place).map_or("", String::as_str)
    }

    /// What stands in its block; nothing, if it has none.
    #[must_use]
    pub fn children(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// Its words, as they may stand in a remark.
    #[must_use]
    pub fn title(&self) -> String {
        self.words.join(" ")
    }
}

/// A part of the text.
enum Token {
    Word(String),
    Open,
    Close,
    /// The end of a line.
    End,
}

/// Reads a text.
///
/// # Errors
///
/// It has braces or quotes that do not match, or takes more than this text to
/// understand: other files, definitions.
pub fn read(text: &str) -> Result<Vec<Statement>, Refusal> {
    // The blocks that are open, the file first, each with the lines so far.
    let mut open: Vec<Vec<Statement>> = vec![Vec::new()];
    // Whether the statement before goes on.
    let mut is_going_on = false;
    for (line, text) in (1..).zip(text.lines()) {
        foreign(line, text)?;
        for token in tokens(line, text)? {
            let here = open.last_mut().ok_or_else(|| closes_nothing(line))?;
            match token {
                Token::Word(word) if is_going_on => {
                    if let Some(statement) = here.last_mut() {
                        statement.words.push(word);
                    }
                }
                Token::Word(word) => {
                    is_going_on = true;
                    here.push(Statement {
                        line,
                        words: vec![word],
                        block: None,
                    });
                }
                Token::End => is_going_on = false,
                Token::Open => {
                    is_going_on = false;
                    // The brace may stand in a line of its own.
                    if here.last().is_none_or(|s| s.block.is_some()) {
                        return Err(refusal(line, "a block opens here that has no name"));
                    }
                    if open.len() > DEPTH_MAX {
                        let text =
                            format!("blocks stand in each other, more than {DEPTH_MAX} deep");
                        return Err(refusal(line, text));
                    }
                    open.push(Vec::new());
                }
                Token::Close => {
                    is_going_on = false;
                    let block = open.pop();
                    let around = open.last_mut().and_then(|block| block.last_mut());
                    around.ok_or_else(|| closes_nothing(line))?.block = block;
                }
            }
        }
    }
    let file = open.drain(..1).next().unwrap_or_default();
    if let (false, Some(last)) = (open.is_empty(), file.last()) {
        let text = format!("the block of {} is not closed", last.title());
        return Err(refusal(last.line, text));
    }
    Ok(file)
}

fn refusal(line: usize, text: impl Into<String>) -> Refusal {
    Refusal {
        line,
        text: text.into(),
    }
}

fn closes_nothing(line: usize) -> Refusal {
    refusal(line, "a brace closes a block that is not open")
}

/// Lines that make other lines.
fn foreign(line: usize, text: &str) -> Result<(), Refusal> {
    let text = text.trim_start();
    let word = text.split_whitespace().next().unwrap_or_default();
    let is_definition = word.starts_with('$') && word.contains('=');
    let is_include = matches!(
        word,
        "include" | "includer" | "includem" | "includew" | "includeb" | "includea"
    );
    if is_include {
        let text = format!(
            "{word} is not followed: put what it includes in its place, or import the files one by one"
        );
        return Err(refusal(line, text));
    }
    if is_definition || word.starts_with("~SEQ") || word.starts_with("~LST") {
        let text = format!(
            "'{word}' makes text of text, which is not followed: write out what it stands for"
        );
        return Err(refusal(line, text));
    }
    Ok(())
}

/// The words and braces of a line.
fn tokens(line: usize, text: &str) -> Result<Vec<Token>, Refusal> {
    let mut tokens = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    let mut is_continued = false;
    while let Some(c) = chars.next() {
        match c {
            '#' | '!' => break,
            '\\' if chars.peek().is_none() => is_continued = true,
            '"' | '\'' => {
                let word = word.get_or_insert_default();
                quoted(c, &mut chars, word)
                    .ok_or_else(|| refusal(line, "a quote is not closed"))?;
            }
            '$' if chars.peek() == Some(&'{') => {
                // Braces of a parameter are none of a block.
                let word = word.get_or_insert_default();
                word.push(c);
                for c in chars.by_ref() {
                    word.push(c);
                    if c == '}' {
                        break;
                    }
                }
            }
            '{' | '}' => {
                tokens.extend(word.take().map(Token::Word));
                tokens.push(if c == '{' { Token::Open } else { Token::Close });
            }
            c if c.is_whitespace() => tokens.extend(word.take().map(Token::Word)),
            c => word.get_or_insert_default().push(c),
        }
    }
    tokens.extend(word.map(Token::Word));
    if !is_continued {
        tokens.push(Token::End);
    }
    Ok(tokens)
}

/// Reads on to the closing quote; nothing, if there is none.
fn quoted(quote: char, chars: &mut impl Iterator<Item = char>, word: &mut String) -> Option<()> {
    loop {
        match chars.next()? {
            '\\' => word.push(chars.next()?),
            c if c == quote => return Some(()),
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text, written in one line.
    fn tree(statements: &[Statement]) -> String {
        let one = |s: &Statement| match &s.block {
            None => s.words.join(" "),
            Some(block) => format!("{} [{}]", s.words.join(" "), tree(block)),
        };
        let all: Vec<String> = statements.iter().map(one).collect();
        all.join("; ")
    }

    fn is(text: &str, wanted: &str) {
        let statements = read(text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
        assert_eq!(tree(&statements), wanted, "{text}");
    }

    #[test]
    fn a_statement_is_a_line_and_may_have_a_block() {
        is("a b\nc {\n d e\n f { g 1 }\n}\n", "a b; c [d e; f [g 1]]");
        is("a b\n{\n c\n}\nd", "a b [c]; d");
        is("a{b{c}}", "a [b [c]]");
        is("a { }\na {\n}\n", "a []; a []");
        is("", "");
    }

    #[test]
    fn comments_quotes_and_long_lines() {
        is("a # b {\n! c\nd!e\n", "a; d");
        is("a \"b # {\" 'c d' e\"f g\"h", "a b # { c d ef gh");
        is("a \"\\\"\" ''", "a \" ");
        is("a \\\n b\nc", "a b; c");
        is("a ${_PWD}/x {\n}", "a ${_PWD}/x []");
    }

    #[test]
    fn what_does_not_match_is_refused_with_its_line() {
        let refused = |text: &str, line: usize, words: &str| {
            let refusal = read(text).expect_err(text);
            assert_eq!(refusal.line, line, "{refusal:?}");
            assert!(refusal.text.contains(words), "{refusal:?}");
        };
        refused("a\nb {\n c\n", 2, "the block of b is not closed");
        refused("a {\n}\n}\n", 3, "not open");
        refused("}", 1, "not open");
        refused("a\n}", 2, "not open");
        refused("{", 1, "no name");
        refused("a {\n}\n{\n}", 3, "no name");
        refused("a 'b\n'", 1, "a quote is not closed");
        refused("a \"\\", 1, "a quote is not closed");
        refused("a {\n include b\n}", 2, "include is not followed");
        refused("$A=1\n", 1, "'$A=1' makes text");
        refused(" ~SEQ(A, 1, 2) b ${A}", 1, "'~SEQ(A,' makes text");
        refused(&"a {\n".repeat(17), 17, "16 deep");
    }
}
