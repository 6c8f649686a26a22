package mariadb

import (
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a child in a process group of its own, so that a Ctrl-C meant for
// us does not reach it.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the child is gone
}

// spawn starts the child. Where the system can, the child dies with us. Linux
// ties that to the thread that forked, so one goroutine keeps its thread for
// as long as the child lives.
func spawn(cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = childAttr()
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended does not matter
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // an error means that it is gone already
	<-p.done
}

func (p *process) stop(timeout time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(timeout):
		p.kill()
	}
}
