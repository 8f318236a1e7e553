//! Charts, with their legends.

use super::{
    data::{data, description},
    table::breakable,
};
use crate::report::{Error, draw, model::Chart, words::visible};
use maud::{Markup, PreEscaped, html};
use std::collections::HashMap;

pub(super) fn chart(chart: &Chart, id: &str, pens: &mut Pens) -> Result<Markup, Error> {
    let pens = pens.of(chart);
    let drawing = draw::chart(chart, &pens)?;
    let mut legend = Vec::new();
    for (series, pen) in chart.series.iter().zip(&pens) {
        legend.push((draw::swatch(*pen, series.shape)?, breakable(&series.name)));
    }
    let one_unnamed = matches!(&*chart.series, [only] if only.name.is_empty());
    let (title, x) = (visible(&chart.title), draw::title_of(&chart.x));
    let described = format!("{id}-t {id}-d");
    Ok(html! {
        figure {
            figcaption { (title) }
            @if !legend.is_empty() && !one_unnamed {
                ul.legend {
                    @for (swatch, name) in &legend {
                        li {
                            svg width=(swatch.width) height=(swatch.height) aria-hidden="true" {
                                (PreEscaped(&swatch.shapes))
                            }
                            (name)
                        }
                    }
                }
            }
            svg.chart viewBox={ "0 0 " (drawing.width) " " (drawing.height) }
                role="img" aria-labelledby=(described) {
                title id={ (id) "-t" } { (title) }
                desc id={ (id) "-d" } { (visible(&description(chart))) }
                (PreEscaped(&drawing.shapes))
            }
            p.x { (breakable(&x)) }
            @if let Some(note) = drawing.note { p.note { (note) } }
            (data(chart))
        }
    })
}

/// Which series is drawn with which pen: the same in all charts, as long as there are enough.
#[derive(Debug, Default)]
pub(super) struct Pens(HashMap<String, u8>);

impl Pens {
    fn of(&mut self, chart: &Chart) -> Vec<u8> {
        let mut taken = vec![None; chart.series.len()];
        // Those that have one already come first: a newcomer would take it.
        for (index, series) in chart.series.iter().enumerate() {
            let pen = self.0.get(&series.name).copied().map(Some);
            taken[index] = pen.filter(|pen| !taken.contains(pen)).flatten();
        }
        for (index, series) in chart.series.iter().enumerate() {
            if taken[index].is_some() {
                continue;
            }
            let next = u8::try_from(self.0.len() % usize::from(draw::PENS)).unwrap_or(0);
            let others = (0..draw::PENS).map(|more| (next + more) % draw::PENS);
            let free = others.into_iter().find(|pen| !taken.contains(&Some(*pen)));
            let pen = free.unwrap_or(next);
            self.0.entry(series.name.clone()).or_insert(pen);
            taken[index] = Some(pen);
        }
        taken.into_iter().flatten().collect()
    }
}
