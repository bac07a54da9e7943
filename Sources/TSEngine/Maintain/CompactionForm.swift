/// What compaction makes of blocks when it is asked for.
package enum CompactionForm: Sendable {
  /// Cold where older than `StoreOptions.coldAfterNanos`.
  case byAge
  /// All packed, for fast scans; what is old becomes cold again when the store compacts by itself.
  case packed
  /// All cold: the smallest form.
  case cold
}

extension CompactionPlan {
  /// Which blocks are to be of the cold form.
  package struct Forms: Sendable, Equatable {
    /// Those that end before this instant.
    package var coldBefore = Int64.min
    /// Cold blocks that end later are work as well. Nobody pays for that unasked.
    package var packsTheRest = false
    package init() {}
  }
}

extension StoreOptions {
  /// What `form` asks for now.
  func forms(_ form: CompactionForm) -> CompactionPlan.Forms {
    var forms = CompactionPlan.Forms()
    forms.packsTheRest = true
    switch form {
    case .byAge: forms.coldBefore = coldBefore
    case .packed: forms.coldBefore = .min
    case .cold: forms.coldBefore = .max
    }
    return forms
  }

  /// What a store does by itself, in steps of a day: on the grid no block crosses the bound, and a
  /// segment is not written anew whenever one more block is a week old.
  var steadyForms: CompactionPlan.Forms {
    var forms = CompactionPlan.Forms()
    forms.coldBefore = TimeWindow.containing(coldBefore, level: 0).bounds.lowerBound
    return forms
  }

  private var coldBefore: Int64 {
    let (instant, overflow) = clock.nowNanos().subtractingReportingOverflow(coldAfterNanos)
    return overflow ? .min : instant
  }
}
