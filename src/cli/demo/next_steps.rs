//! What somebody can do next, as commands that run as they are pasted.

use std::path::Path;

use crate::cli::output::plain;
use crate::cli::service_file::ServiceFile;
use crate::cli::session::quoted;

/// The end of the walk.
pub(super) fn text(service: &ServiceFile, sample: &str, data_dir: &Path, program: &Path) -> String {
    let ServiceFile { url, pid, .. } = service;
    let quoted_path = |path: &Path| quoted(&path.display().to_string());
    let (dir, log) = (quoted_path(data_dir), quoted_path(&data_dir.join("service.log")));
    let bin = quoted_path(program.parent().unwrap_or(Path::new(".")));
    let url_text = plain(url);
    let page = url.join("docs/").map(String::from).unwrap_or_default();
    format!(
        r#"
Tollbook goes on running at {url_text} (REST: {page}). Its log: {log}
Stop it with: kill {pid}

Next. This shell becomes yours to use it from:
  export PATH={bin}:"$PATH" TOLLBOOK_DATA_DIR={dir}
  tollbook audit tail
  tollbook session list

A session on your own MCP server (put its URL; this is the sample's):
  tollbook server add mine {sample}
  tollbook loadout create mine --tool 'mine/*'
  eval "$(tollbook session create --loadout mine --env)"

That set TOLLBOOK_SESSION_URL and TOLLBOOK_SESSION_TOKEN. The URL for an MCP client, the token left in the
environment:
  Claude Code:  claude mcp add --scope project --transport http tollbook "$TOLLBOOK_SESSION_URL" --header 'Authorization: Bearer ${{TOLLBOOK_SESSION_TOKEN}}'
  Codex:        codex mcp add tollbook --url "$TOLLBOOK_SESSION_URL" --bearer-token-env-var TOLLBOOK_SESSION_TOKEN
  Cursor:       in .cursor/mcp.json
                {{"mcpServers":{{"tollbook":{{"url":"${{env:TOLLBOOK_SESSION_URL}}","headers":{{"Authorization":"Bearer ${{env:TOLLBOOK_SESSION_TOKEN}}"}}}}}}}}
  VS Code:      in .vscode/mcp.json
                {{"servers":{{"tollbook":{{"type":"http","url":"${{env:TOLLBOOK_SESSION_URL}}","headers":{{"Authorization":"Bearer ${{env:TOLLBOOK_SESSION_TOKEN}}"}}}}}}}}"#
    )
}
