package kv

// ManyReader is a Reader that reads many keys faster than one after another.
type ManyReader interface {
	// GetMany calls each for every key, in the order given, which is ascending
	// and without repetition; value is nil when the key is absent and valid
	// during the call only.
	GetMany(keys [][]byte, each func(i int, value []byte)) error
}

// GetMany reads keys, ascending and without repetition, from any reader; see
// ManyReader.
func GetMany(r Reader, keys [][]byte, each func(i int, value []byte)) error {
	if m, ok := r.(ManyReader); ok {
		return m.GetMany(keys, each)
	}
	for i, key := range keys {
		value, err := r.Get(key)
		if err != nil {
			return err
		}
		each(i, value)
	}
	return nil
}
