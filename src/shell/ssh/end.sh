# Ends everything a command started: sh -s MARK PIDFILE GRACE
# A process belongs to the command when it carries the mark in its environment, is in the group of
# the shell that became the command, or descends from any of these. Status 1: some do not end.
mark=$1 file=$2 grace=$3
# Before looking for it: a command that is about to start sees this, or is seen below.
{ echo "$mark" >"$file.stop"; } 2>/dev/null
pid= group=
if { read -r owner boot stat <"$file" && read -r now </proc/sys/kernel/random/boot_id; } 2>/dev/null &&
    [ "$owner" = "$mark" ] && [ "$boot" = "$now" ]; then
    pid=${stat%% *}
    set -- ${stat##*) }
    group=$3 begun=${20}
    # The number may belong to a stranger by now; a group whose leader is gone keeps its number.
    if { read -r stat <"/proc/$pid/stat"; } 2>/dev/null; then
        set -- ${stat##*) }
        [ "${20}" = "$begun" ] || pid= group=
    fi
fi
members() {
    marked=$(grep -lsF "RUNPERF_COMMAND=$mark" /proc/[0-9]*/environ | tr -c '0-9\n' ' ' | tr '\n' ' ')
    cat /proc/[0-9]*/stat 2>/dev/null | awk -v marked="$marked" -v pid="$pid" -v group="$group" '
        /^[0-9]+ \(/ {
            id = $1; rest = $0; sub(/^.*\) /, "", rest); split(rest, field, " ")
            state[id] = field[1]; parent[id] = field[2]
            if (id == pid || (group != "" && field[3] == group)) ours[id] = 1
        }
        END {
            count = split(marked, list, " "); for (i = 1; i <= count; i++) ours[list[i]] = 1
            do {
                more = 0
                for (id in parent) if (!(id in ours) && (parent[id] in ours)) { ours[id] = 1; more = 1 }
            } while (more)
            for (id in ours) if ((id in state) && state[id] !~ /[ZXx]/) print id
        }'
}
signal() { for member in $2; do kill -s "$1" "$member" 2>/dev/null; done; }
alive=$(members)
signal TERM "$alive"
signal CONT "$alive"
while [ -n "$alive" ] && [ "$grace" -gt 0 ]; do
    sleep 0.1
    grace=$((grace - 1))
    alive=$(members)
done
tries=100
while [ -n "$alive" ] && [ "$tries" -gt 0 ]; do
    signal KILL "$alive"
    sleep 0.1
    tries=$((tries - 1))
    alive=$(members)
done
[ -z "$alive" ] && exit 0
echo $alive
exit 1
