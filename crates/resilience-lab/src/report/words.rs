//! Figures and texts as they are written everywhere.

use super::{
    model::{Bound, Number, Verdict},
    number::fixed,
};
use std::borrow::Cow;

/// Without what cannot be seen: control characters steer a terminal, or turn the direction of writing.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let is_hidden = |character: char| {
        character.is_control()
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(is_hidden) {
        return text.into();
    }
    let shown = text.chars().map(|character| match character {
        '\n' | '\t' => ' ',
        character if is_hidden(character) => '\u{fffd}',
        character => character,
    });
    shown.collect::<String>().into()
}

/// Paragraphs of a text, which have empty lines between them.
pub(super) fn paragraphs(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let paragraphs = text.split("\n\n").map(str::trim);
    paragraphs.filter(|text| !text.is_empty()).map(visible)
}

/// A figure with its unit.
pub(super) fn figure(number: &Number) -> String {
    let figure = fixed(number.value, number.precision.into());
    match &*number.unit {
        "" => figure,
        unit => format!("{figure}\u{a0}{unit}"),
    }
}

/// Whether a figure is as it should be, with the number of the reason where a table has several; and what it should be.
pub(super) fn aim(number: &Number, explanations: &[&str]) -> Option<String> {
    let (verdict, aim) = (number.verdict()?, number.aim.as_ref()?);
    let note = number.note(explanations);
    let mark = mark(verdict, note.unwrap_or(0), explanations.len());
    Some(format!("{mark} {}", bound(aim.bound, number)))
}

/// What stands before a reason, and before the aims that it is about.
pub(super) fn mark(verdict: Verdict, nth: usize, of: usize) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let mut mark = verdict.sign().to_owned();
    if verdict == Verdict::Explained && of > 1 {
        let number = (nth + 1).to_string();
        mark.extend(
            number
                .bytes()
                .map(|digit| DIGITS[usize::from(digit - b'0')]),
        );
    }
    mark
}

/// What a figure should be, with as many digits as the bound has, or the figure if those are more.
pub(super) fn bound(bound: Bound, number: &Number) -> String {
    let (sign, bound) = match bound {
        Bound::AtLeast(bound) => ('≥', bound),
        Bound::AtMost(bound) => ('≤', bound),
    };
    let precision = usize::from(number.precision);
    let own = bound
        .to_string()
        .split_once('.')
        .map_or(0, |(_, digits)| digits.len());
    format!("{sign}\u{a0}{}", fixed(bound, own.min(precision.max(3))))
}
