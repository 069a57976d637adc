namespace LmKit;

/// <summary>How a supervised edit takes the old value's atom out of an activation.</summary>
public enum EditMethod
{
    /// <summary>Subtracts the atom; used for all reported results.</summary>
    Arithmetic,

    /// <summary>Removes the activation's projection on the atom.</summary>
    ZeroSubspace,

    /// <summary>Replaces that projection by the mean activation's.</summary>
    MeanSubspace,

    /// <summary>As the authors' code computes the former: the mean's projection counts once for every coordinate of the unit atom.</summary>
    OfficialMeanSubspace,
}
