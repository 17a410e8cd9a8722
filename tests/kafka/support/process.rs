//! Programs that run beside a test, and the lines they print.

use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{PATIENCE, wait_until};

/// A running program. Dropping it kills it; where the test has failed, its last lines are shown.
pub(crate) struct Process {
    name: String,
    child: Child,
    lines: watch::Receiver<Vec<String>>,
}

impl Process {
    /// Starts a program whose standard output and standard error are read line by line.
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let (sender, lines) = watch::channel(Vec::new());
        collect(
            child.stdout.take().expect("stdout is piped"),
            sender.clone(),
        );
        collect(child.stderr.take().expect("stderr is piped"), sender);
        Self {
            name: name.to_owned(),
            child,
            lines,
        }
    }

    /// The lines so far, of both outputs.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    /// Waits for a line that contains a text, or takes the first of the past ones.
    pub(crate) async fn wait_for_line(&self, text: &str) -> String {
        let what = format!("line with {text:?} from {}", self.name);
        self.wait_until(&what, |lines| {
            lines.iter().find(|line| line.contains(text)).cloned()
        })
        .await
    }

    /// Waits until the lines satisfy `find`, and returns what it found.
    pub(crate) async fn wait_until<R>(
        &self,
        what: &str,
        find: impl FnMut(&[String]) -> Option<R>,
    ) -> R {
        wait_until(&self.lines, what, find).await
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGKILL.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// SIGSTOP: a process that is there and does nothing.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Any signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        let pid = id.and_then(Pid::from_raw);
        let pid = pid.unwrap_or_else(|| panic!("{} has ended", self.name));
        kill_process(pid, signal).expect("a child can be signalled until it is waited for");
    }

    /// Waits for the end, and for the last line.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("{} does not end", self.name));
        let closed = async { while self.lines.changed().await.is_ok() {} };
        timeout(PATIENCE, closed)
            .await
            .unwrap_or_else(|_| panic!("{} leaves its outputs open", self.name));
        status.expect("a child can be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = self.lines.borrow();
            let shown = lines.len().saturating_sub(50);
            eprintln!(
                "---- the end of {}:\n{}",
                self.name,
                lines[shown..].join("\n")
            );
        }
    }
}

fn collect(output: impl AsyncRead + Unpin + Send + 'static, to: watch::Sender<Vec<String>>) {
    tokio::spawn(async move {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while let Ok(1..) = output.read_until(b'\n', &mut line).await {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            to.send_modify(|lines| lines.push(text));
            line.clear();
        }
    });
}
