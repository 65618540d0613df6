//! Lists of machines as people write them, and as they should not.

use std::path::Path;

use serde_json::json;

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/benchkit")
        .join(name)
}

fn read(name: &str, text: &str) -> Machines {
    Machines::read(Path::new(name), text, None)
}

fn places(read: &Machines) -> Vec<String> {
    read.machines
        .iter()
        .map(|machine| {
            let user = machine.user.as_ref().map(|user| format!("{user}@"));
            let port = machine.port.map(|port| format!(":{port}"));
            format!(
                "{} {}{}{}",
                machine.name,
                user.unwrap_or_default(),
                machine.address,
                port.unwrap_or_default()
            )
        })
        .collect()
}

fn messages(read: &Machines) -> Vec<String> {
    read.faults
        .iter()
        .map(|fault| format!("{}: {}", fault.line, fault.message))
        .collect()
}

#[test]
fn benchkits_maps_are_read_by_its_rules() {
    let text = std::fs::read_to_string(fixture("hosts")).expect("there");
    let map = read("hosts", &text);
    assert_eq!(
        places(&map),
        [
            "benchvm-0 10.244.1.11",
            "benchvm-1 10.244.2.12",
            "benchvm-2 10.244.1.13"
        ]
    );
    assert_eq!((map.format, &map.faults[..]), (Format::Map, &[][..]));
    let text = std::fs::read_to_string(fixture("hosts-edge-cases")).expect("there");
    let map = read("hosts-edge-cases", &text);
    assert_eq!(places(&map), ["vm-a 192.0.2.99", "vm-b 192.0.2.11"]);
    assert_eq!(map.faults, []);
    assert_eq!(map.notes.len(), 2, "what is passed over is said");
}

#[test]
fn every_fault_of_a_map_is_said_with_its_line() {
    let map = read(
        "map",
        "192.0.2.1 a\n192.0.2.300 b\n-x c\n2001:db8::1 d\nhost.example.org e\n10.0.0 f\n",
    );
    assert_eq!(
        places(&map),
        ["a 192.0.2.1", "d 2001:db8::1", "e host.example.org"]
    );
    let lines: Vec<usize> = map.faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [2, 3, 6], "{:?}", map.faults);
    assert_eq!(messages(&read("map", "# nothing\n")).len(), 1);
}

const INI: &str = r#"
# loose machines first
jump ansible_host=192.0.2.1   # the way in

[web]
web[01:03].example.org ansible_user=www
special ansible_host=192.0.2.50 ansible_port=2222 other="two words"

[db]
db-[a:b]:2200

[site:children]
web
db

[site:vars]
ansible_user = bench
ansible_port = 22

[all:vars]
ansible_ssh_private_key_file='~/keys/lab'

[here]
me ansible_connection=local
"#;

#[test]
fn an_ini_inventory_is_put_together_from_groups_and_variables() {
    let list = read("hosts", INI);
    assert_eq!(list.format, Format::Ini);
    assert_eq!(messages(&list), [""; 0]);
    assert_eq!(
        places(&list),
        [
            "jump 192.0.2.1",
            "web01.example.org www@web01.example.org:22",
            "web02.example.org www@web02.example.org:22",
            "web03.example.org www@web03.example.org:22",
            "special bench@192.0.2.50:2222",
            "db-a bench@db-a:22",
            "db-b bench@db-b:22",
            "me 127.0.0.1"
        ],
        "a variable beats what stands in the name"
    );
    let key = list.machines[0].key.clone().expect("of all");
    assert!(key.ends_with("keys/lab"), "{}", key.display());
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let chosen = |which: &[&str]| list.chosen(&words(which)).map(|found| found.len());
    assert_eq!(chosen(&[]), Ok(8));
    assert_eq!(chosen(&["site"]), Ok(6));
    assert_eq!(chosen(&["db", "special"]), Ok(3));
    assert!(
        chosen(&["wep"])
            .expect_err("unknown")
            .contains("did you mean `web`?")
    );
}

#[test]
fn a_yaml_inventory_says_the_same() {
    let text = "all:\n  vars: {ansible_user: root}\n  children:\n    web:\n      hosts:\n        web[1:2]:\n        special: {ansible_host: 192.0.2.50, ansible_port: 2222}\n      vars: {ansible_user: www}\n    db:\n      hosts: {db1: }\n";
    let list = read("inventory.yml", text);
    assert_eq!(messages(&list), [""; 0]);
    assert_eq!(
        places(&list),
        [
            "web1 www@web1",
            "web2 www@web2",
            "special www@192.0.2.50:2222",
            "db1 root@db1"
        ]
    );
    assert_eq!(Format::guess(Path::new("x"), text), Format::Yaml);
}

#[test]
fn faults_of_inventories_are_said_all_at_once_without_showing_values() {
    let list = read(
        "x.ini",
        "[web\na b\n[web:kids]\n[db]\nn[5:1]\nx ansible_port=70000\ny hunter22 ansible_host=1.2.3\nz ansible_host={{ ip }}\nq \"open\n[db:vars]\nansible_password hunter22\n[a:children]\nb\n[b:children]\na\n",
    );
    let all = messages(&list).join("\n");
    for expected in [
        "1: expected `]`",
        "3: expected `children` or `vars`",
        "5: expected a range that goes up",
        "6: `x`: expected a port from 1 to 65535",
        "7: expected NAME=VALUE behind `y`",
        "7: `y`: expected an address or a host name, found `1.2.3`",
        "8: `z`: ansible_host is a template",
        "9: expected the end of a quoted value",
        "11: expected NAME=VALUE",
        "group `a` holds itself",
    ] {
        assert!(all.contains(expected), "{expected} is not in:\n{all}");
    }
    assert!(!all.contains("hunter22"), "{all}");
    let list = read("x.yaml", "web:\n  hots: {a: }\n  hosts: [b]\nlist: 5\n");
    let all = messages(&list).join("\n");
    for expected in ["found `hots`", "found a list", "found a number"] {
        assert!(all.contains(expected), "{expected} is not in:\n{all}");
    }
    assert!(
        messages(&read("x.yaml", "a: [\n"))
            .join("")
            .contains("no YAML")
    );
}

#[test]
fn a_slip_in_a_range_does_not_fill_the_memory() {
    let list = read("x.ini", "a[1:9000]\nb[1:9000]\n");
    assert_eq!(list.machines.len(), 10_000);
    assert!(messages(&list)[0].contains("at most 10000 machines"));
}

fn built(params: Value) -> Result<Box<dyn Profile>, String> {
    let params = params.as_object().expect("an object").clone();
    build("VmMap".into(), &params).map_err(|error| error.to_string())
}

#[test]
fn parameters_that_do_not_fit_are_refused_before_the_run() {
    let map = fixture("hosts");
    let refused = |params| built(params).map(drop).expect_err("refused");
    assert!(refused(json!({})).contains("found none"));
    assert!(refused(json!({"map": "/nonexistent"})).contains("cannot read"));
    assert!(refused(json!({"map": map, "format": "xml"})).contains("map, ini or yaml"));
    assert!(refused(json!({"map": map, "group": "benchvm-7"})).contains("did you mean"));
    let bad = fixture("auth-bad-no-password.json");
    assert!(refused(json!({"map": map, "auth": bad})).contains("malformed"));
    let profile = built(json!({"map": map})).expect("good");
    assert!(
        profile.changes()[0].contains("3 machines"),
        "{:?}",
        profile.changes()
    );
    assert!(profile.fits(&["localhost"]).is_ok());
    assert!(
        profile
            .fits(&["benchvm-1"])
            .expect_err("same name")
            .contains("name of a host")
    );
    assert!(
        profile
            .fits(&["a", "b"])
            .expect_err("two hosts")
            .contains("no group `a`")
    );
}
