//! What our SSH costs: `commands COUNT HOST…` runs COUNT short commands on each host, all hosts at
//! once; `upload FILE PATH HOST` sends a file. Hosts are names of the configuration in
//! `SSH_CONFIG`. Prints seconds. `scripts/bench-ssh` compares it with the system's `ssh` and `scp`.
#![expect(clippy::print_stdout, reason = "the seconds are the answer")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use runperf::control::cancel::CancelToken;
use runperf::shell::ssh::{Address, Settings, SshShell};
use runperf::shell::{CommandLine, Limits, Shell, ShellExt};

fn shell(host: &str) -> SshShell {
    let settings = Settings {
        config: std::env::var_os("SSH_CONFIG").map(Into::into),
        ..Settings::default()
    };
    let address = Address {
        host: host.to_owned(),
        ..Address::default()
    };
    SshShell::new(host, &address, Arc::new(settings))
}

fn commands(count: usize, hosts: &[String]) {
    std::thread::scope(|scope| {
        for host in hosts {
            scope.spawn(move || {
                let shell = shell(host);
                let limits = Limits::new(CancelToken::default());
                for number in 0..count {
                    let command = CommandLine::new("echo").arg(number.to_string());
                    let answer = shell.text(&command, &limits).expect("the host answers");
                    assert_eq!(answer, format!("{number}\n"));
                }
                shell.close().expect("the host answers");
            });
        }
    });
}

fn upload(from: &str, to: &str, host: &str) {
    let shell = shell(host);
    let limits = Limits::new(CancelToken::default());
    let mut file = File::open(from).expect("the file is there");
    shell
        .upload(&mut file, Path::new(to), 0o600, &limits)
        .expect("the file goes up");
    shell.close().expect("the host answers");
}

fn main() {
    // `cargo bench` adds this one.
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let begun = Instant::now();
    match words[..] {
        ["commands", count, _, ..] => commands(count.parse().expect("a number"), &args[2..]),
        ["upload", from, to, host] => upload(from, to, host),
        _ => {
            println!("commands COUNT HOST… | upload FILE PATH HOST; see scripts/bench-ssh");
            return;
        }
    }
    println!("{:.3}", begun.elapsed().as_secs_f64());
}
