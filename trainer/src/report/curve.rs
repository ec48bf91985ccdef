//! The picture of a training run: loss and validation Recall@10 over the steps.

use anyhow::anyhow;
use plotters::prelude::*;

use super::chart;
use crate::train::Validation;

const LOSS: RGBColor = RGBColor(150, 90, 20);
const RECALL: RGBColor = RGBColor(20, 90, 160);

/// An SVG with the loss on the left axis and Recall@10 on the right one.
///
/// # Errors
/// None in practice: it draws into memory.
pub fn curve_svg(title: &str, curve: &[Validation]) -> anyhow::Result<String> {
    let mut svg = String::new();
    draw(title, curve, &mut svg).map_err(|error| anyhow!("cannot draw the curve: {error}"))?;
    Ok(svg)
}

fn draw(title: &str, curve: &[Validation], svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, chart::SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let steps = curve.last().map_or(1.0, |last| last.step.max(1) as f64);
    // The first validation comes before any loss.
    let losses: Vec<(f64, f64)> =
        curve.iter().filter(|at| at.step > 0).map(|at| (at.step as f64, at.loss)).collect();
    let recalls: Vec<(f64, f64)> = curve.iter().map(|at| (at.step as f64, at.recall_10)).collect();
    let mut plot = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(52)
        .right_y_label_area_size(60)
        .build_cartesian_2d(0.0..steps, range(&losses))?
        .set_secondary_coord(0.0..steps, range(&recalls));
    plot.configure_mesh()
        .light_line_style(WHITE)
        .x_desc("step")
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_desc("training loss")
        .draw()?;
    plot.configure_secondary_axes().y_desc("validation Recall@10").draw()?;
    let mut line = |points: Vec<(f64, f64)>,
                    name: &str,
                    colour: RGBColor,
                    second: bool|
     -> Result<(), Box<dyn std::error::Error>> {
        let series = LineSeries::new(points, colour.stroke_width(2));
        let drawn = if second { plot.draw_secondary_series(series)? } else { plot.draw_series(series)? };
        drawn.label(name).legend(chart::key(colour));
        Ok(())
    };
    line(losses, "training loss (left)", LOSS, false)?;
    line(recalls, "validation Recall@10 (right)", RECALL, true)?;
    chart::legend(&mut plot)?;
    root.present()?;
    Ok(())
}

/// From the lowest to the highest value with a little room, never empty.
fn range(points: &[(f64, f64)]) -> std::ops::Range<f64> {
    let low = points.iter().map(|&(_, value)| value).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|&(_, value)| value).fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return 0.0..1.0;
    }
    let room = ((high - low) * 0.05).max(1e-3);
    (low - room).max(0.0)..high + room
}
