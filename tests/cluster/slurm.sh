#!/usr/bin/env bash
# The smoke report on a real SLURM of one node, whose controllers are killed in the middle.
#
#     sudo tests/cluster/slurm.sh                                       the whole report
#     sudo tests/cluster/slurm.sh book/chapters/01_tokenization.ipynb   a part of it: what snakemake is to make
#
# Nothing is installed on this machine: packages go into an overlay of its file system, daemons into process, network
# and host name spaces of their own, and both are gone when the script ends. What runs is a clone of the last commit,
# with the .venv of this checkout. Needs root, Debian's apt-get, unshare (util-linux), and a .venv that make has set up.
#
# Exit code 0: the book is built, no run was trained twice although snakemake and slurmctld were killed with SIGKILL,
# and an unchanged report submits nothing.
set -euo pipefail

STAGE=${STAGE:-outside}
TARGETS=("$@")
NODE=dnakit-node
JOBLOG=/var/log/slurm/jobs.txt
SLOTS=2  # jobs at a time

say() { printf -- '-- %(%H:%M:%S)T %s\n' -1 "$*"; }
fail() { echo "slurm.sh: $*" >&2; exit 1; }

# ---- outside: a file system of its own

outside() {
    CHECKOUT=$(cd "$(dirname "$0")/../.." && pwd -P)
    [[ $(id -u) == 0 ]] || fail "needs root, for mounts and packages: sudo $0"
    command -v apt-get unshare git > /dev/null || fail "needs apt-get, unshare and git"
    [[ -f $CHECKOUT/.venv/.ready ]] || fail "there is no .venv: run make quick first"
    PLACE=$(mktemp -d "${TMPDIR:-/tmp}/dnakit-slurm.XXXXXX")
    trap '[[ -z ${SPACE:-} ]] || { kill -KILL "$SPACE" 2> /dev/null || true; wait || true; }; rm -rf --one-file-system "$PLACE"' EXIT
    trap 'exit 143' INT TERM
    mkdir "$PLACE"/{upper,work,root,venv-upper,venv-work}
    git clone --quiet "file://$CHECKOUT" "$PLACE/checkout"
    say "commit $(git -C "$PLACE/checkout" rev-parse --short=12 HEAD) in $PLACE"
    export CHECKOUT PLACE STAGE=mounts
    # Whatever ends this script ends all processes of the space with it, and their mounts.
    unshare --mount --pid --uts --fork --kill-child --mount-proc "$BASH" "$PLACE/checkout/tests/cluster/slurm.sh" "$@" &
    SPACE=$!
    wait "$SPACE"
}

mounts() {
    local root=$PLACE/root
    mount --make-rprivate /
    mount -t overlay overlay -o "lowerdir=/,upperdir=$PLACE/upper,workdir=$PLACE/work" "$root"
    mkdir -p "$root$CHECKOUT"
    mount --bind "$PLACE/checkout" "$root$CHECKOUT"
    mkdir -p "$root$CHECKOUT/.venv"
    mount -t overlay overlay "$root$CHECKOUT/.venv" \
        -o "lowerdir=$CHECKOUT/.venv,upperdir=$PLACE/venv-upper,workdir=$PLACE/venv-work"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    local names
    names=$(cat /etc/resolv.conf)
    rm -f "$root/etc/resolv.conf"
    echo "$names" > "$root/etc/resolv.conf"
    mount -t tmpfs tmpfs "$root/run"
    hostname $NODE
    local inside=("$BASH" "$CHECKOUT/tests/cluster/slurm.sh" "$@")
    STAGE=packages chroot "$root" "${inside[@]}"
    STAGE=report unshare --net chroot "$root" "${inside[@]}"
}

# ---- inside: packages, then the daemons on a network that is nothing but loopback

packages() {
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d  # no daemon is started by its package
    chmod +x /usr/sbin/policy-rc.d
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends slurm-wlm munge inotify-tools iproute2 > /var/log/apt-slurm.log 2>&1 ||
        { tail -5 /var/log/apt-slurm.log >&2; fail "SLURM's packages cannot be installed"; }
    cd "$CHECKOUT"
    .venv/bin/pip install --quiet --quiet "$(.venv/bin/python - << 'PYTHON'
import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["cluster"])
PYTHON
)"
    say "$(slurmctld -V), $(.venv/bin/pip list 2> /dev/null | awk '/^snakemake(-executor-plugin-slurm)? / { print $1, $2 }' | paste -sd ' ')"
}

configure() {
    mkdir -p /etc/slurm /var/spool/slurm{d,ctld} /var/log/slurm /run/munge
    # An invented size, so that the profile's jobs fit: the memory and GPU that it asks for are not there.
    cat > /etc/slurm/slurm.conf << CONF
ClusterName=dnakit
SlurmctldHost=$NODE
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmdSpoolDir=/var/spool/slurmd
StateSaveLocation=/var/spool/slurmctld
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd.log
JobCompType=jobcomp/filetxt
JobCompLoc=$JOBLOG
ReturnToService=2
MpiDefault=none
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=$NODE CPUs=$SLOTS RealMemory=$((SLOTS * 32000)) Gres=gpu:$SLOTS State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    touch $(seq --format /run/gpu%g 0 $((SLOTS - 1)))
    echo "NodeName=$NODE Name=gpu File=/run/gpu[0-$((SLOTS - 1))]" > /etc/slurm/gres.conf
    [[ -f /etc/munge/munge.key ]] || mungekey --create
    chown -R munge: /etc/munge /run/munge /var/lib/munge /var/log/munge
    grep -q " $NODE$" /etc/hosts || echo "127.0.0.1 $NODE" >> /etc/hosts
}

start_slurm() {
    ip link set lo up
    ip address add 192.0.2.1/32 dev lo  # getaddrinfo knows no family of addresses where there is only 127.0.0.1
    runuser -u munge -- munged
    slurmctld
    slurmd
    for _ in $(seq 30); do
        [[ $(timeout 5 sinfo --noheader --format %T 2> /dev/null) == idle ]] && { say "SLURM: $(sinfo --noheader)"; return; }
        sleep 1
    done
    tail -n 5 /var/log/slurm/*.log >&2
    fail "SLURM does not start"
}

# ---- the report

snake() {  # as a user of a cluster, but with one thread a job, and without accounting (sacct); runs in the background
    exec snakemake --workflow-profile params/cluster/slurm --config profile=smoke --set-threads train_run=1 execute=1 \
        --slurm-status-command squeue --slurm-init-seconds-before-status-checks 10 -- "${TARGETS[@]}"
}

finished() { find data/runs -mindepth 2 -maxdepth 2 -name run.json | wc -l; }
submitted() { grep -c "^JobId=" $JOBLOG || true; }

until_finished() {  # COUNT PID: wait until so many runs are finished, while snakemake is at work
    while [[ $(finished) -lt $1 ]]; do
        kill -0 "$2" 2> /dev/null || { tail -20 snakemake.log >&2; fail "snakemake ended after $(finished) runs"; }
        sleep 1
    done
}

# A controller that was killed may have started a job that it does not know of. It starts it again, finds it twice, drains
# the node and holds the job, until an operator lets both go on: here this loop. The job then finds its run made.
operate() {
    local held
    while sleep 5; do
        [[ $(timeout 5 sinfo --noheader --format %T 2> /dev/null) != dr* ]] || scontrol update NodeName=$NODE State=RESUME || true
        held=$(timeout 5 squeue --noheader --states PENDING --format '%i %r' 2> /dev/null | awk '/requeued held/ { print $1 }') || true
        [[ -z $held ]] || scontrol release $held || true
    done
}

report() {
    cd "$CHECKOUT"
    export PATH=$PWD/.venv/bin:$PATH HOME=/root MPLBACKEND=agg
    unset DNAKIT_DATA DNAKIT_MIRROR DNAKIT_SOURCES
    configure
    start_slurm
    mkdir -p data/runs
    # A run in the making has a folder .KEY.part, which gets its final name when it is done: one that is made twice has two.
    inotifywait --monitor --quiet --event create --format %f data/runs > made.log &
    sleep 1

    snake > snakemake.log 2>&1 &
    until_finished $((${#TARGETS[@]} ? 1 : 12)) $!
    kill -KILL $!
    say "snakemake killed after $(finished) runs, $(squeue --noheader --states running | wc -l) jobs at work"
    wait $! || true

    snake >> snakemake.log 2>&1 &
    local report=$!
    until_finished $((${#TARGETS[@]} ? 2 : 40)) $report
    kill -KILL "$(cat /run/slurmctld.pid)"
    say "slurmctld killed after $(finished) runs"
    sleep 5
    slurmctld
    operate &
    wait $report || { tail -30 snakemake.log >&2; fail "the report failed"; }
    say "the report is made: $(finished) runs, $(submitted) jobs submitted"

    local before twice
    before=$(submitted)
    snake > again.log 2>&1 &
    wait $! || { tail -30 again.log >&2; fail "the second report failed"; }
    twice=$(grep '\.part$' made.log | sort | uniq -d | wc -l)
    echo
    echo "| runs | trained twice | jobs submitted | by an unchanged report | states of the jobs |"
    echo "|---|---|---|---|---|"
    echo "| $(grep -c '\.part$' made.log) | $twice | $before | $(($(submitted) - before)) | $(states) |"
    for target in "${TARGETS[@]:-book/_build/html/index.html}"; do [[ -f $target ]] || fail "there is no $target"; done
    [[ $twice == 0 && $(submitted) == "$before" ]] || fail "not as it should be"
    [[ $(grep -c '\.part$' made.log) == $(finished) ]] || fail "$(finished) runs are finished"
}

states() { grep -o 'JobState=[A-Z_]*' $JOBLOG | sort | uniq -c | awk '{ sub("JobState=", "", $2); print $1, $2 }' | paste -sd , ; }

"$STAGE" "$@"
