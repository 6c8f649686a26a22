package child

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Process is a child in a process group of its own, so that a Ctrl-C meant for
// us does not reach it. On Linux the kernel kills it when we die.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// Start starts the child. Linux ties its death to the thread that forked, so
// one goroutine keeps its thread for as long as the child lives.
func Start(cmd *exec.Cmd) (*Process, error) {
	cmd.SysProcAttr = attr()
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // State tells how it ended
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Pid is the child's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the child is gone.
func (p *Process) Done() <-chan struct{} { return p.done }

// State tells how the child ended, once it is gone.
func (p *Process) State() *os.ProcessState {
	<-p.done
	return p.cmd.ProcessState
}

// Kill ends the child at once.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // an error means that it is gone already
	<-p.done
}

// Stop asks the child to end, kills it if it has not within the time, and
// reports whether it did.
func (p *Process) Stop(within time.Duration) bool {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return true
	case <-time.After(within):
		p.Kill()
		return false
	}
}
