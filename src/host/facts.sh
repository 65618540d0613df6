# Describes a Linux machine on standard output. POSIX sh, no root, no change to the machine.
# $1: marker in front of each section's name. Filtering is done by the reader (facts.rs).
main() {
    mark=$1
    LC_ALL=C
    PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
    export LC_ALL PATH

    section() { printf '\n@%s %s\n' "$mark" "$1"; }
    # `path:line` for each line of each file that can be read.
    show() { grep -s . "$@" /dev/null; }
    have() { command -v "$1" >/dev/null 2>&1; }
    # A hung bus must not hang the run.
    brief() { if have timeout; then timeout 20 "$@" 2>/dev/null; else "$@" 2>/dev/null; fi; }
    # Something that is there, but not for this user.
    closed() {
        for path in "$@"; do
            if [ -e "$path" ] && ! [ -r "$path" ]; then
                printf '%s\n' "$path"
                return
            fi
        done
    }

    section kernel
    uname -r
    uname -v
    uname -m
    uname -o 2>/dev/null || uname -s
    cat /proc/cmdline

    section os
    cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release 2>/dev/null

    section mitigations
    show /sys/devices/system/cpu/vulnerabilities/*

    section cpuinfo
    sed -n '1,/^[[:space:]]*$/p' /proc/cpuinfo

    section topology
    cpu=/sys/devices/system/cpu
    show $cpu/online $cpu/isolated $cpu/nohz_full $cpu/smt/control $cpu/smt/active \
        /sys/devices/system/node/online /sys/devices/system/node/node*/cpulist \
        $cpu/cpu[0-9]*/topology/physical_package_id $cpu/cpu[0-9]*/topology/core_id
    show /proc/self/status | grep -E ':(Cpus|Mems)_allowed_list:'

    section frequency
    show $cpu/cpufreq/policy*/scaling_driver $cpu/cpufreq/policy*/scaling_governor \
        $cpu/cpufreq/policy*/energy_performance_preference \
        $cpu/cpufreq/policy*/scaling_min_freq $cpu/cpufreq/policy*/scaling_max_freq \
        $cpu/cpufreq/policy*/cpuinfo_max_freq $cpu/cpufreq/boost \
        $cpu/intel_pstate/status $cpu/intel_pstate/no_turbo $cpu/intel_pstate/max_perf_pct \
        $cpu/cpuidle/current_driver $cpu/cpuidle/current_governor_ro $cpu/cpuidle/current_governor \
        /sys/firmware/acpi/platform_profile

    section cache
    for index in $cpu/cpu0/cache/index*; do
        [ -r "$index/size" ] && printf 'L%s %s: %s\n' "$(cat "$index/level")" "$(cat "$index/type")" "$(cat "$index/size")"
    done

    section meminfo
    cat /proc/meminfo

    section memory
    show /sys/kernel/mm/transparent_hugepage/enabled /sys/kernel/mm/transparent_hugepage/defrag \
        /sys/kernel/mm/transparent_hugepage/shmem_enabled \
        /sys/kernel/mm/hugepages/hugepages-*/nr_hugepages \
        /sys/devices/system/node/node*/hugepages/hugepages-*/nr_hugepages \
        /sys/kernel/mm/ksm/run /sys/kernel/mm/ksm/pages_to_scan /sys/kernel/mm/ksm/sleep_millisecs \
        /sys/kernel/mm/ksm/merge_across_nodes /sys/kernel/mm/lru_gen/enabled \
        /sys/module/zswap/parameters/enabled

    section swaps
    sed 1d /proc/swaps 2>/dev/null

    section sysctl
    sys=/proc/sys
    show $sys/vm/dirty_* $sys/vm/swappiness $sys/vm/overcommit_memory $sys/vm/overcommit_ratio \
        $sys/vm/zone_reclaim_mode $sys/vm/min_free_kbytes $sys/vm/vfs_cache_pressure \
        $sys/vm/compaction_proactiveness $sys/vm/watermark_* $sys/vm/max_map_count \
        $sys/vm/stat_interval $sys/vm/laptop_mode $sys/vm/page-cluster \
        $sys/vm/nr_hugepages $sys/vm/nr_overcommit_hugepages \
        $sys/kernel/sched_* $sys/kernel/numa_balancing* $sys/kernel/nmi_watchdog $sys/kernel/watchdog \
        $sys/kernel/watchdog_thresh $sys/kernel/soft_watchdog $sys/kernel/timer_migration \
        $sys/kernel/randomize_va_space $sys/kernel/perf_event_paranoid $sys/kernel/split_lock_mitigate \
        $sys/kernel/io_uring_disabled $sys/kernel/threads-max $sys/kernel/pid_max \
        $sys/fs/aio-max-nr $sys/fs/file-max $sys/fs/nr_open \
        $sys/net/core/somaxconn $sys/net/core/rmem_* $sys/net/core/wmem_* \
        $sys/net/core/netdev_max_backlog $sys/net/core/netdev_budget* $sys/net/core/default_qdisc \
        $sys/net/core/busy_poll $sys/net/core/busy_read $sys/net/core/optmem_max \
        $sys/net/ipv4/tcp_congestion_control $sys/net/ipv4/tcp_rmem $sys/net/ipv4/tcp_wmem \
        $sys/net/ipv4/tcp_mtu_probing $sys/net/ipv4/tcp_timestamps $sys/net/ipv4/tcp_sack \
        $sys/net/ipv4/tcp_no_metrics_save $sys/net/ipv4/tcp_slow_start_after_idle \
        $sys/net/ipv4/ip_local_port_range
    # Where the scheduler's figures went in Linux 5.13; only root may look.
    debug=/sys/kernel/debug/sched
    show $debug/features $debug/latency_ns $debug/min_granularity_ns $debug/base_slice_ns \
        $debug/wakeup_granularity_ns $debug/migration_cost_ns $debug/nr_migrate $debug/preempt \
        $debug/tunable_scaling

    section clocksource
    cat /sys/devices/system/clocksource/clocksource0/current_clocksource 2>/dev/null

    section security
    show /sys/kernel/security/lsm /sys/fs/selinux/enforce /sys/kernel/security/lockdown

    section kvm
    show /sys/module/kvm*/parameters/*

    section tuned
    cat /etc/tuned/active_profile 2>/dev/null

    section virtualization
    if have systemd-detect-virt; then
        printf 'vm: %s\n' "$(systemd-detect-virt --vm 2>/dev/null)"
        printf 'container: %s\n' "$(systemd-detect-virt --container 2>/dev/null)"
    else
        if grep -q '^flags.* hypervisor' /proc/cpuinfo; then echo 'vm: yes'; else echo 'vm: none'; fi
        if [ -e /.dockerenv ] || [ -e /run/.containerenv ]; then echo 'container: yes'; else echo 'container: none'; fi
    fi

    section firmware
    dmi=/sys/class/dmi/id
    show $dmi/sys_vendor $dmi/product_name $dmi/product_version $dmi/board_name \
        $dmi/bios_vendor $dmi/bios_version $dmi/bios_date

    section memory_modules
    if [ "$(id -u)" = 0 ] && have dmidecode; then
        dmidecode -q -t 17 2>/dev/null | grep -E '^[[:space:]]*(Locator|Size|Type|Configured Memory Speed|Rank):'
    fi

    section block
    for disk in /sys/block/*; do
        case ${disk##*/} in loop* | ram* | zram* | sr* | fd*) continue ;; esac
        [ "$(cat "$disk/size" 2>/dev/null || echo 0)" = 0 ] && continue
        show "$disk/size" "$disk/device/model" "$disk/queue/rotational" "$disk/queue/scheduler" \
            "$disk/queue/nr_requests" "$disk/queue/read_ahead_kb" "$disk/queue/write_cache" \
            "$disk/queue/logical_block_size" "$disk/queue/physical_block_size" "$disk/queue/io_poll"
    done

    section mounts
    cat /proc/self/mounts

    section network
    for nic in /sys/class/net/*; do
        [ -e "$nic/device" ] || continue
        driver=$(readlink "$nic/device/driver" 2>/dev/null)
        printf '%s/driver:%s\n' "$nic" "${driver##*/}"
        show "$nic/mtu" "$nic/speed" "$nic/duplex" "$nic/operstate" "$nic/tx_queue_len"
    done

    section rpm
    # On a system without a database rpm would make one.
    if have rpm; then
        db=$(rpm --eval '%_dbpath' 2>/dev/null)
        if [ -s "$db/rpmdb.sqlite" ] || [ -s "$db/Packages" ] || [ -s "$db/Packages.db" ]; then
            rpm -qa 2>/dev/null
        fi
    fi

    section dpkg
    # The backslash keeps the fields away from this shell, they are dpkg's own.
    have dpkg-query && dpkg-query -W -f '${db:Status-Abbrev}|${binary:Package} ${Version}\n' 2>/dev/null

    section systemctl
    if [ -d /run/systemd/system ] && have systemctl; then
        brief systemctl list-units --no-pager --no-legend --plain --full
    fi

    section runperf_sysinfo
    cat /var/lib/runperf/sysinfo 2>/dev/null

    section left_out
    [ -d /sys/kernel/debug/sched ] || closed /sys/kernel/debug | sed 's/^/scheduler figures in /'
    closed /sys/class/dmi/id/product_serial | sed 's|.*|memory modules (dmidecode)|'
    closed /sys/devices/system/cpu/vulnerabilities /var/lib/runperf/sysinfo

    section end
}
main "$@" </dev/null
