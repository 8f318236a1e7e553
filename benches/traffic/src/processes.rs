//! The processes that are examined, and those at the other end.

use crate::{Load, Protocol, Result, Slice, generators};
use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

/// The core of what is examined.
pub const EXAMINED: usize = 0;
/// The core of the load generator, or of the server that answers a client.
pub const OTHER: usize = 1;

/// A command that is kept to one core, if there are two and a `taskset`.
pub fn on_core(core: usize, program: &str) -> Command {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let taskset = Command::new("taskset").arg("--version").output();
    if cores < 2 || taskset.is_err() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string(), program]);
    command
}

/// This program in another role. Ends when its input does, that is, when this is dropped.
struct Role {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Role {
    fn start(core: usize, words: &[&str]) -> Result<Self> {
        let program = env::current_exe()?;
        let program = program.to_str().ok_or("a path in UTF-8")?;
        let mut child = on_core(core, program)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("piped above")?;
        let output = BufReader::new(output);
        Ok(Self { child, output })
    }

    fn tell(&mut self, line: &str) -> Result<()> {
        let input = self.child.stdin.as_mut().ok_or("piped above")?;
        Ok(writeln!(input, "{line}")?)
    }

    /// How long it has had a core to itself, all of its threads together.
    fn busy(&self) -> Result<Duration> {
        let mut nanos = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // Time on a core, time waiting for one, and how often.
            let stat = fs::read_to_string(thread?.path().join("schedstat"))?;
            let on_core = stat.split(' ').next().ok_or("three numbers")?;
            nanos += on_core.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// What `slice` has made of this process's time.
    fn during(&mut self, slice: impl FnOnce(&mut Self) -> Result<Load>) -> Result<Slice> {
        let before = self.busy()?;
        let load = slice(self)?;
        // A thread that has ended is not there any more.
        let busy = self.busy()?.saturating_sub(before);
        Ok(Slice {
            per_second: load.calls / load.took.as_secs_f64(),
            cpu: busy.as_secs_f64() * 1e6 / load.calls,
            p50: load.p50,
            p99: load.p99,
        })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() {
            return Err("a process under test has ended: see above".into());
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let ended = self.child.wait();
        if let Err(error) = ended {
            eprintln!("{error}");
        }
    }
}

pub struct Server {
    role: Role,
    pub bare: String,
    pub stack: String,
}

impl Server {
    pub fn start(protocol: Protocol, core: usize) -> Result<Self> {
        let mut role = Role::start(core, &["serve", protocol.word()])?;
        let line = role.line()?;
        let (bare, stack) = line.split_once(' ').ok_or("two addresses")?;
        Ok(Self {
            bare: bare.to_owned(),
            stack: stack.to_owned(),
            role,
        })
    }

    /// While a load generator is at it.
    pub fn slice(&mut self, protocol: Protocol, stack: bool, length: Duration) -> Result<Slice> {
        let address = if stack { &self.stack } else { &self.bare };
        self.role
            .during(|_| generators::slice(protocol, address, length))
    }
}

pub struct Client(Role);

impl Client {
    pub fn start(protocol: Protocol, server: &str, core: usize) -> Result<Self> {
        let role = Role::start(core, &["drive", protocol.word(), server])?;
        Ok(Self(role))
    }

    pub fn slice(&mut self, stack: bool, length: Duration) -> Result<Slice> {
        let which = if stack { "stack" } else { "bare" };
        self.0.during(|role| {
            role.tell(&format!("{which} {}", length.as_millis()))?;
            Load::parse(&role.line()?)
        })
    }
}
