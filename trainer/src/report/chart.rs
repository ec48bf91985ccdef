//! What all pictures share: their size and their legend.

use std::io;

use plotters::{coord::CoordTranslate, drawing::DrawingAreaErrorKind, element::PathElement, prelude::*};

/// Width and height in pixels.
pub const SIZE: (u32, u32) = (720, 360);

/// The stroke that stands for a line in the legend.
pub fn key(colour: RGBColor) -> impl Fn((i32, i32)) -> PathElement<(i32, i32)> {
    move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2))
}

/// Draws the legend of what was labelled.
///
/// # Errors
/// None in practice: it draws into memory.
pub fn legend<'a, C: CoordTranslate>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, C>,
) -> Result<(), DrawingAreaErrorKind<io::Error>> {
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::MiddleRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()
}
