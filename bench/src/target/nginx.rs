//! nginx with its RTMP module, one process, its defaults: chunks of 4,096 bytes, no extra
//! buffering. It is a server under test, and the origin behind an edge under test.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::{Place, Setting};
use crate::process::{Process, free_address};

/// Starts it on one processor, in a folder of its own.
///
/// # Errors
/// When it does not listen.
pub(crate) async fn start(
    setting: &Setting,
    processors: &str,
    folder: &Path,
) -> Result<(Process, Place)> {
    let address = free_address()?;
    let shown = folder.display();
    let file = folder.join("nginx.conf");
    fs::write(
        &file,
        format!(
            "load_module {module};
daemon off;
master_process off;
worker_processes 1;
pid {shown}/nginx.pid;
error_log {shown}/error.log warn;
events {{ worker_connections 16384; }}
rtmp {{
    access_log off;
    server {{
        listen {address};
        application live {{ live on; }}
    }}
}}
",
            module = setting.nginx_module.display(),
        ),
    )?;
    let file = file.display().to_string();
    let prefix = shown.to_string();
    let arguments = ["-p", &prefix, "-e", "stderr", "-c", &file];
    let mut process = Process::start("nginx", processors, folder, &setting.nginx, &arguments)?;
    process.listens(address).await?;
    Ok((process, Place::at(address)))
}
