//! Where plotters draws: SVG without colours. Shapes have classes, which the page's style sheet knows, so that one
//! drawing serves light, dark and paper.

use crate::report::words::visible;
use maud::Escaper;
use plotters::style::RGBColor;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    text_anchor::{HPos, VPos},
};
use std::{convert::Infallible, fmt::Write as _};

/// Plotters counts in whole pixels, which is too coarse for curves: here, they are tenths.
pub(super) const TENTHS: i32 = 10;

/// What a shape is, in the only way that plotters hands on: a colour that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// Grid lines and axes.
    Grid,
    /// Labels of axes.
    Tick,
    /// Words in the chart.
    Word,
    /// Shaded parts.
    Span,
    /// Lines that mark a value.
    Mark,
    /// A series, by its pen.
    Series(u8),
    /// A series with so many points that dashes would be lost.
    Dense(u8),
}

impl Ink {
    pub(super) fn color(self) -> RGBColor {
        match self {
            Self::Grid => RGBColor(0, 0, 0),
            Self::Tick => RGBColor(1, 0, 0),
            Self::Word => RGBColor(2, 0, 0),
            Self::Span => RGBColor(3, 0, 0),
            Self::Mark => RGBColor(4, 0, 0),
            Self::Series(pen) => RGBColor(5, pen, 0),
            Self::Dense(pen) => RGBColor(6, pen, 0),
        }
    }

    fn of(color: BackendColor) -> Self {
        match color.rgb {
            (0, ..) => Self::Grid,
            (1, ..) => Self::Tick,
            (2, ..) => Self::Word,
            (3, ..) => Self::Span,
            (4, ..) => Self::Mark,
            (5, pen, _) => Self::Series(pen),
            (_, pen, _) => Self::Dense(pen),
        }
    }
}

/// Writes elements of SVG.
pub(super) struct Canvas<'a> {
    pub(super) out: &'a mut String,
    pub(super) size: (u32, u32),
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl Canvas<'_> {
    /// ` class="…"`; shapes of a series are outlines or areas.
    fn class(&mut self, ink: Ink, filled: bool) {
        let name = match ink {
            Ink::Grid => "grid",
            Ink::Tick => "tick",
            Ink::Word => "word",
            Ink::Span => "span",
            Ink::Mark => "mark",
            Ink::Dense(pen) => {
                return self.push(format_args!(" class=\"line dense s{pen}\""));
            }
            Ink::Series(pen) => {
                let kind = if filled { "area" } else { "line" };
                return self.push(format_args!(" class=\"{kind} s{pen}\""));
            }
        };
        self.push(format_args!(" class=\"{name}\""));
    }

    fn push(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.out.write_fmt(arguments);
    }

    /// A path of relative steps, which are shorter than absolute ones.
    fn path(&mut self, points: impl IntoIterator<Item = BackendCoord>, ink: Ink, closed: bool) {
        self.push(format_args!("<path"));
        self.class(ink, closed);
        self.push(format_args!(" d=\""));
        let mut before = None;
        for (x, y) in points {
            match before {
                None => self.push(format_args!("M{} {}", pixels(x), pixels(y))),
                Some((from_x, from_y)) if (x, y) == (from_x, from_y) => {}
                Some((from_x, from_y)) if y == from_y => {
                    self.push(format_args!("h{}", pixels(x - from_x)));
                }
                Some((from_x, from_y)) if x == from_x => {
                    self.push(format_args!("v{}", pixels(y - from_y)));
                }
                Some((from_x, from_y)) => {
                    self.push(format_args!(
                        "l{} {}",
                        pixels(x - from_x),
                        pixels(y - from_y)
                    ));
                }
            }
            before = Some((x, y));
        }
        self.push(format_args!("{}\"/>", if closed { "z" } else { "" }));
    }
}

fn pixels(tenths: i32) -> impl std::fmt::Display {
    f64::from(tenths) / f64::from(TENTHS)
}

impl DrawingBackend for Canvas<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        self.draw_circle(point, 1, &color, true)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (x0, y0): BackendCoord,
        (x1, y1): BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)];
        self.path(corners, Ink::of(style.color()), fill);
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.path(path, Ink::of(style.color()), false);
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        self.push(format_args!("<circle"));
        self.class(Ink::of(style.color()), fill);
        let radius = f64::from(radius) / f64::from(TENTHS);
        self.push(format_args!(
            " cx=\"{}\" cy=\"{}\" r=\"{radius}\"/>",
            pixels(x),
            pixels(y)
        ));
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        self.path(corners, Ink::of(style.color()), true);
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Drawn {
        let anchor = style.anchor();
        self.push(format_args!("<text"));
        self.class(Ink::of(style.color()), true);
        self.push(format_args!(" x=\"{}\" y=\"{}\"", pixels(x), pixels(y)));
        match anchor.h_pos {
            HPos::Left => {}
            HPos::Center => self.push(format_args!(" text-anchor=\"middle\"")),
            HPos::Right => self.push(format_args!(" text-anchor=\"end\"")),
        }
        match anchor.v_pos {
            VPos::Top => self.push(format_args!(" dy=\".8em\"")),
            VPos::Center => self.push(format_args!(" dy=\".35em\"")),
            VPos::Bottom => {}
        }
        self.push(format_args!(">"));
        let _ = Escaper::new(self.out).write_str(&visible(text));
        self.push(format_args!("</text>"));
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        _: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let width = super::label::width_of(text) * TENTHS;
        Ok((
            width.unsigned_abs(),
            (super::label::FONT * TENTHS).unsigned_abs(),
        ))
    }
}
