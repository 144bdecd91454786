// Package peers holds what people use today to notice that too much leaves, each method written
// from its public description, so that it can be measured beside the product on the same traffic.
//
// A method judges the bytes of each destination port and of each destination region. Most judge
// tumbling windows, aligned to the epoch, and can speak only when a window has closed, as the rules
// they stand for do, being run by the clock. Two compare a growing sum with a number
// and so speak as soon as it is crossed: bytes per window, and first-seen with many bytes.
// Nobody speaks in the first week, the time that the product takes for learning too.
//
// What no description settles is settled in the method's favour: there is no delay between a
// window's end and its alarm, a method is not run once a day but at each window, and none has a cap on alarms.
//
// Methods are bounded: entities beyond the 65,536 ports and as many regions are not looked at, the
// hosts of a window are counted exactly up to 64, and of the alarms the highest 32,768 or more are kept.
// They draw random numbers, where they do, from a fixed seed, and say the same about the same flows always.
// A method is not safe for concurrent use.
package peers
