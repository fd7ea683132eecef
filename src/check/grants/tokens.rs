//! Tokenises a GRANT statement.

/// A token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Quoted(String),
    Mark(char),
}

impl Token {
    pub(super) fn is_word(&self, wanted: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(wanted))
    }

    /// A quoted name, or nothing for punctuation; `None` ends an account's name.
    pub(super) fn quoted(&self) -> Option<&str> {
        match self {
            Self::Quoted(name) => Some(name),
            Self::Mark(_) => Some(""),
            Self::Word(_) => None,
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Word(name) | Self::Quoted(name) => Some(name),
            Self::Mark(_) => None,
        }
    }
}

/// Words, names in any quotes, and punctuation.
pub(super) fn tokens(line: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            quote @ ('`' | '\'' | '"') => {
                let mut name = String::new();
                while let Some(letter) = letters.next() {
                    // A doubled quote stands for itself.
                    if letter == quote && letters.next_if_eq(&quote).is_none() {
                        break;
                    }
                    name.push(letter);
                }
                tokens.push(Token::Quoted(name));
            }
            ',' | '(' | ')' | '.' | '@' | '*' | ';' => tokens.push(Token::Mark(letter)),
            letter if letter.is_whitespace() => {}
            letter => {
                let mut word = String::from(letter);
                let goes_on = |c: &char| !c.is_whitespace() && !"`'\",().@*;".contains(*c);
                while let Some(letter) = letters.next_if(goes_on) {
                    word.push(letter);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    tokens
}
