//! The picture: every figure that has a goal, as a bar of how far it was reached. Up to the line is the goal.

use std::fmt::Write as _;

use crate::report::Part;

const ROW: usize = 22;
const LEFT: usize = 430;
const WIDTH: usize = 960;
/// So far to the right of the names stands the line of the goal; a bar of more than three goals is cut off.
const GOAL: f64 = 150.0;
const LONGEST: f64 = 3.0;

/// As SVG, readable on light and dark pages.
pub fn of(parts: &[Part]) -> String {
    let mut rows = String::new();
    let mut top = ROW;
    for part in parts.iter().filter(|part| part.figures.iter().any(|figure| figure.goal.is_some())) {
        top += ROW;
        let _ = writeln!(rows, r#"<text class="part" x="10" y="{top}">{}</text>"#, escaped(&part.title));
        for figure in &part.figures {
            let Some(goal) = figure.goal else { continue };
            top += ROW;
            let reached = goal.reached_by(figure.result);
            let length = (reached.min(LONGEST) * GOAL).max(1.0);
            let [what, _, _, result, asked, _] = figure.cells();
            let class = if goal.met_by(figure.result) { "met" } else { "missed" };
            let (bar, end) = (top - ROW + 8, LEFT as f64 + length + 8.0);
            let _ = write!(
                rows,
                r#"<text x="{}" y="{top}" text-anchor="end">{}</text>
<rect class="{class}" x="{LEFT}" y="{bar}" width="{length:.0}" height="16" rx="2"/>
<text x="{end:.0}" y="{top}">{} (goal {})</text>
"#,
                LEFT - 10,
                escaped(&what),
                escaped(&result),
                escaped(&asked),
            );
        }
    }
    let (height, line) = (top + ROW, LEFT as f64 + GOAL);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" font-size="13">
<title>How far each goal was reached: the line is the goal, more is better</title>
<style>
  text {{ fill: #1f2328 }} .part {{ font-weight: 600 }} .met {{ fill: #4493f8 }} .missed {{ fill: #db6d28 }} .page {{ fill: #ffffff }}
  @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} .page {{ fill: #0d1117 }} }}
</style>
<rect class="page" width="{WIDTH}" height="{height}"/>
{rows}<line x1="{line}" x2="{line}" y1="{ROW}" y2="{top}" stroke="#8b949e" stroke-dasharray="4 3"/>
<text x="{line}" y="16" text-anchor="middle">goal</text>
</svg>
"##
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
