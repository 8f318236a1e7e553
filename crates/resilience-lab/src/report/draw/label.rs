//! Words in a chart.

use super::{Drawn, Root, WIDTH, canvas::Ink, tenths};
use plotters::{
    element::Text,
    style::{
        Color as _, FontDesc, FontFamily, FontStyle, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

/// The size of letters.
pub(super) const FONT: i32 = 12;

/// Writes to the right of a place, or to its left where there is no room.
pub(super) fn beside(root: &Root<'_>, text: &str, (x, y): (i32, i32)) -> Drawn {
    let fits = x + tenths(4 + width_of(text)) <= tenths(WIDTH);
    let (x, side) = if fits {
        (x + tenths(4), HPos::Left)
    } else {
        (x - tenths(4), HPos::Right)
    };
    word(root, text, (x, y), side, VPos::Bottom)
}

pub(super) fn word(
    root: &Root<'_>,
    words: &str,
    at: (i32, i32),
    h_pos: HPos,
    v_pos: VPos,
) -> Drawn {
    let style = text(Ink::Word).pos(Pos::new(h_pos, v_pos));
    root.draw(&Text::new(words, at, style))
}

/// The style sheet has the font; plotters asks for one.
pub(super) fn text(ink: Ink) -> TextStyle<'static> {
    let font = FontDesc::new(
        FontFamily::SansSerif,
        f64::from(tenths(FONT)),
        FontStyle::Normal,
    );
    let mut style = TextStyle::from(font);
    style.color = ink.color().to_backend_color();
    style
}

/// Breaks a label into lines of about that width, three at the most.
pub(super) fn lines(label: &str, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in label.split_whitespace() {
        match lines.last_mut() {
            Some(line) if f64::from(width_of(line) + width_of(word) + 3) <= width => {
                *line += " ";
                *line += word;
            }
            _ => lines.push(word.into()),
        }
    }
    if lines.len() > 3 {
        lines.truncate(3);
        lines[2] += " …";
    }
    lines
}

/// About so many pixels.
pub(super) fn width_of(text: &str) -> i32 {
    let characters = i32::try_from(text.chars().count()).unwrap_or(i32::MAX);
    characters.min(1000) * FONT * 11 / 20
}
