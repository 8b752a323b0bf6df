// What sorts of resources there are, in the order in which they are listed.
export const KINDS = ['team', 'vehicle', 'stock', 'expert', 'hospital', 'shelter'] as const
