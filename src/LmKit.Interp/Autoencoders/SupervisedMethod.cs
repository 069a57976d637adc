namespace LmKit;

/// <summary>How a supervised dictionary finds its codes.</summary>
public enum SupervisedMethod
{
    /// <summary>Mean activation of a value less the mean of all; right when attributes are independent and balanced.</summary>
    Mean,

    /// <summary>Least squares on all values together.</summary>
    LeastSquares,
}
