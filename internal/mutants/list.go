package main

// mutant is one planted bug: in file, the text from is replaced by to.
type mutant struct {
	name, file, from, to string
}

// mutants are the planted bugs, by the part of the core they are in.
var mutants = []mutant{
	{
		"clock: what was applied is not observed", "clock/clock.go",
		"c.last = max(c.last, t)", "_ = t",
	},
	{
		"clock: it goes back with the system clock", "clock/clock.go",
		"if t <= c.last {", "if t == c.last {",
	},
	{
		"clock: it is forgotten in a restart", "node/replica/replica.go",
		"r.clock.Observe(clock.Timestamp(binary.BigEndian.Uint64(last)))", "_ = binary.BigEndian.Uint64(last)",
	},
	{
		"clock: stamps from the future are merged", "node/replica/due.go",
		"b.through.Millis() > r.cfg.NowMillis()+r.cfg.MaxDriftMillis", "b.through.Millis() < 0",
	},

	{
		"merge: the older value wins a column", "crdt/row.go",
		"switch current.Compare(at) {\n\t\tcase 0: // the same change once more\n\t\tcase 1:", "switch at.Compare(current) {\n\t\tcase 0: // the same change once more\n\t\tcase 1:",
	},
	{
		"merge: a losing write leaves no conflict", "crdt/row.go",
		"r.addLoss(Loss{Column: column, Value: ch.Values[i], Stamp: at, Winner: current, WinnerValue: values[j]})", "",
	},
	{
		"merge: an overwritten value leaves no conflict", "crdt/row.go",
		"if unseen && !r.known(column) && !r.isLost(column, current) {", "if false && unseen {",
	},
	{
		"merge: a value that the writer knew is a conflict", "crdt/row.go",
		"unseen := (overTombstone || current != prior) && !(added && current.IsZero())", "unseen := !current.IsZero() || current != prior && overTombstone",
	},
	{
		"merge: what a delete takes unseen leaves no conflict", "crdt/row.go",
		"r.loseTo(at, &ch.Prior, seen)\n", "",
	},
	{
		"merge: a delete is forgotten", "crdt/row.go",
		"r.Deleted = at\n", "",
	},
	{
		"merge: an older write brings a deleted row back", "crdt/row.go",
		"\tdead := r.Dead()\n\tr.Exists = !dead\n", "\tdead := r.Dead()\n\tif at.Less(r.Deleted) {\n\t\tr.Deleted, dead = clock.Stamp{}, false\n\t}\n\tr.Exists = !dead\n",
	},
	{
		"merge: the winner of a conflict is not raised", "crdt/row.go",
		"l.Winner, l.WinnerDelete, l.WinnerValue = at, false, value", "",
	},
	{
		"merge: rows that waited sleep on", "merge/wake.go",
		"for _, id := range pl.arrived {", "for _, id := range pl.arrived[:0] {",
	},
	{
		"rule 4: CASCADE is taken for RESTRICT", "merge/absence.go",
		"case action == schema.Cascade && !w.revive:", "case false:",
	},
	{
		"rule 4: rows that refer with RESTRICT are not looked at", "merge/removal.go",
		"rm.checks = append(rm.checks, check{child, parent})", "_ = check{child, parent}",
	},
	{
		"rule 4: a reference made NULL is not remembered", "merge/removal.go",
		"if err := pl.nullify(n, c.id()); err != nil {", "if err := error(nil); err != nil {",
	},
	{
		"rule 4: what a kept row needs is not kept", "merge/removal.go",
		"for _, p := range c.parents {\n\t\tp.stay()\n\t}", "",
	},
	{
		"rule 4: a reference that closes a circle is forgotten", "merge/place.go",
		"if len(pl.patches) == 0 {", "if len(pl.patches) >= 0 {",
	},
	{
		"rule 5: the row that came later keeps the value", "merge/clash.go",
		"\treturn a.Less(b)\n", "\treturn b.Less(a)\n",
	},
	{
		"rule 5: clashes are not settled", "merge/clash.go",
		"for _, w := range pl.clashes {", "for _, w := range pl.clashes[:0] {",
	},
	{
		"rule 3: of two rows of one number the later one stays", "crdt/number.go",
		"if life.Less(mine) && r.begins(ch) && !lost {", "if mine.Less(life) && r.begins(ch) && !lost {",
	},
	{
		"rule 3: two rows of one number are one", "crdt/number.go",
		"if r.blank() || life == mine {", "if r.blank() || life != mine || life == mine {",
	},
	{
		"rule 3: a change does not say of which row it is", "node/replica/rule3.go",
		"\t\treturn prior.WithLife(number, life), nil\n", "\t\treturn prior, nil\n",
	},
	{
		"merge: batches are applied out of causal order", "node/replica/due.go",
		"if !r.caused(g, e.Context) {", "if !r.caused(g, e.Context) && limit < 0 {",
	},
	{
		"merge: the first entry of a batch counts as all of it", "node/replica/due.go",
		"last, whole := seq, crdt.EndsBatch(raw)", "last, whole := seq, true",
	},

	{
		"capture: local changes are not taken before a row is overwritten", "node/replica/apply.go",
		"\tif part == nil {\n\t\treturn nil\n\t}\n\tmore, err", "\tif part != nil || part == nil {\n\t\treturn nil\n\t}\n\tmore, err",
	},
	{
		"capture: the log is not synced before the database forgets", "node/replica/txn.go",
		"t.names.flush(b)\n\treturn t.store.Write(b, true)", "t.names.flush(b)\n\treturn t.store.Write(b, false)",
	},
	{
		"capture: what a write replaced is not noted", "node/replica/local.go",
		"if ch.Prior, err = l.withLife(id, s, &ch, l.priorOf(id, s, &ch)); err != nil {", "if l.priorOf(id, s, &ch); err != nil {",
	},
	{
		"capture: the context is that of an earlier batch", "node/replica/local.go",
		"e.Context = l.r.contextDelta(l.r.contexts[l.r.cfg.Self].vector, l.delivered(), l.r.cfg.Self)", "e.Context = nil",
	},
	{
		"capture: what was taken is not remembered over a crash", "node/replica/local.go",
		"t.set(metaTaken, l.taken.encode())", "t.set(metaTaken, (&history{}).encode())",
	},
	{
		"staging: a group is dropped though the database committed it", "node/replica/replica.go",
		"if found == asStaged || found == setBack && left.hasStaged {", "if found == setBack && left.hasStaged {",
	},
	{
		"staging: a group counts though the database did not commit it", "node/replica/replica.go",
		"if found == asStaged || found == setBack && left.hasStaged {", "if left.hasStaged {",
	},
	{
		"log: entries that came are not synced", "node/replica/log.go",
		"if err := l.store.Write(b, true); err != nil {\n\t\treturn fmt.Errorf(\"append to the log", "if err := l.store.Write(b, false); err != nil {\n\t\treturn fmt.Errorf(\"append to the log",
	},

	{
		"gossip: nothing is announced", "gossip/send.go",
		"changed = append(changed, clock.Entry{Site: o.id, Seq: o.have})", "_ = o",
	},
	{
		"gossip: a subscription begins one entry too far", "gossip/send.go",
		"After: p.origin(c.origin).accepted}", "After: p.origin(c.origin).accepted + 1}",
	},
	{
		"gossip: entries are taken from their origin only", "gossip/provider.go",
		"case cur == nil && best != nil && o.of(best).known", "case cur == nil && best != nil && best.id == o.id && o.of(best).known",
	},
	{
		"gossip: entries after a gap are handed on", "gossip/receive.go",
		"p.gap(pe, o, now)\n\t\treturn none, nil", "o.accepted = e.Last()\n\t\treturn e, nil",
	},
	{
		"gossip: only the own entries are relayed", "gossip/send.go",
		"if from := o.of(pe).from(); from < o.have {", "if from := o.of(pe).from(); o.id == p.cfg.Site && from < o.have {",
	},

	{
		"counter: what a site adds takes the place of what it had added", "node/replica/counters.go",
		"k.put(part, crdt.Add(own, more))", "k.put(part, more)",
	},
	{
		"counter: who inserts a row writes a value", "node/replica/counters.go",
		"\t\tk.put(name, crdt.Int(0))\n\t\tk.put(part, crdt.Add(own, v))\n", "\t\tk.put(name, v)\n",
	},
	{
		"counter: what an application adds is what the table shows", "node/replica/counters.go",
		"if more := crdt.Sub(v, k.shown(name)); more != crdt.Sub(more, more) {", "if more := v; more != crdt.Sub(more, more) {",
	},
	{
		"counter: rows are not looked at when it is declared", "node/replica/counters.go",
		"if err := r.persist(ctx, func() error { return r.retryRows(ctx, ids, 0) }); err != nil {", "if err := error(nil); err != nil {",
	},
	{
		"counter: what was added before a delete counts on", "crdt/counter.go",
		"r.dropParts(func(part string) bool { return r.Of(part).Less(at) })", "_ = at",
	},
	{
		"counter: the base is forgotten with a delete", "merge/counters.go",
		"return append(cs, c.columns...), append(vs, c.values...)", "if !inTable {\n\t\treturn cs, vs\n\t}\n\treturn append(cs, c.columns...), append(vs, c.values...)",
	},
	{
		"settings: what another site sets is not taken before a restart", "node/replica/apply.go",
		"return res, r.loadRules()", "return res, nil",
	},

	{
		"truncation: one member is not asked", "node/replica/stable.go",
		"if id == r.cfg.Self {\n\t\t\tcontinue\n\t\t}\n\t\tp := r.published[id]\n\t\tif p == nil {\n\t\t\treturn nil", "if id == r.cfg.Self || id == voters[len(voters)-1] {\n\t\t\tcontinue\n\t\t}\n\t\tp := r.published[id]\n\t\tif p == nil {\n\t\t\treturn nil",
	},
	{
		"truncation: one entry too many goes", "node/replica/truncate.go",
		"upTo := min(e.Seq, l.have.Seq(e.Site))", "upTo := min(e.Seq+1, l.have.Seq(e.Site))",
	},
	{
		"truncation: what this site has applied counts for all", "node/replica/stable.go",
		"least = lesser(least, p.applied.Get(e.Site))", "_ = p",
	},
	{
		"truncation: tombstones go before they are settled", "node/replica/tombstone.go",
		"gone := s.Settled(r.tombs.through) || stranger && r.tombs.through.Covers(s.Deleted)", "gone := stranger || !stranger",
	},
	{
		"truncation: nothing ever goes", "node/replica/truncate.go",
		"moreLog, err := r.log.drop(r.stable, dropEntries)", "moreLog, err := r.log.drop(nil, dropEntries)",
	},

	{
		"restore: log rows that were captured before count as news", "node/replica/recover_bringup.go",
		"old, err := r.captured(noted)", "old, err := r.captured(noted[:0])",
	},
	{
		"restore: old values are sent as news", "node/replica/takeover.go",
		"\tif b.again {\n\t\treturn own, ownTime, nil", "\tif b.r == nil {\n\t\treturn own, ownTime, nil",
	},
	{
		"restore: the member may lack what this site had", "node/replica/recover_bringup.go",
		"case !h.Vector.Includes(r.Needs()):", "case h.Vector == nil:",
	},
	{
		"restore: rows that were deleted since the backup stay", "node/replica/recover_bringup.go",
		"for before := -1; b.again; {", "for before := -1; b.again && before > 0; {",
	},
	{
		"restore: what was written since counts as written by who had seen everything", "node/replica/local.go",
		"e.Unseen = l.after != nil", "e.Unseen = l.after != nil && len(l.r.applied) == 0",
	},
	{
		"restore: a row that was deleted and inserted again stays deleted", "node/replica/adoption.go",
		"err = a.allSeen(id)", "err = error(nil)",
	},
	{
		"restore: a group that the database has no more counts as applied", "node/replica/replica.go",
		"case found == setBack:", "case found == setBack && mark.Boot == 0:",
	},
	{
		"restore: own entries that were sent are taken back", "node/replica/local.go",
		"l.t.logs = true", "l.t.logs = false",
	},

	{
		"tables: what others wrote is applied before a table that came is published", "node/replica/driver.go",
		"if err := d.adopt(ctx); err != nil {", "if err := error(nil); err != nil {",
	},

	{
		"join: the joining site's values are overwritten without a trace", "node/replica/takeover.go",
		"if changes := b.ownChanges(id, row, own, at); len(changes) > 0 {", "if changes := b.ownChanges(id, row, own, at); len(changes) > 1000 {",
	},
	{
		"join: rows that only the joining site has are told to nobody", "node/replica/onlyhere.go",
		"if err != nil || k != nil && !k.Back {", "if err != nil || k != nil && !k.Back || !a.bringUp.again {",
	},
	{
		"join: what was here before an earlier attempt is forgotten", "node/replica/takeover.go",
		"if before != nil {\n\t\tremembered", "if before != nil && pending == nil {\n\t\tremembered",
	},

	{
		"forgotten: what waits for lost entries is applied before all have said that nobody has them", "node/replica/stable.go",
		"\t\tlaid, err := r.laid(f)\n\t\tif err != nil {\n\t\t\treturn nil, err\n\t\t}\n\t\tif laid {\n\t\t\tlist", "\t\tlaid, err := r.closes(f)\n\t\tif err != nil {\n\t\t\treturn nil, err\n\t\t}\n\t\tif laid {\n\t\t\tlist",
	},
	{
		"forgotten: what waits for lost entries waits for ever", "node/replica/due.go",
		"|| r.saidLaid(e.Site, g.applied) {", "{",
	},
	{
		"forgotten: it is applied by who knows that nobody has them, before anybody has said so", "node/replica/due.go",
		"|| r.saidLaid(e.Site, g.applied) {", "|| func() bool {\n\t\t\tfor _, f := range r.gone {\n\t\t\t\tif laid, err := r.laid(f); f == e.Site {\n\t\t\t\t\treturn laid && err == nil\n\t\t\t\t}\n\t\t\t}\n\t\t\treturn false\n\t\t}() {",
	},
}
