namespace LmKit;

/// <summary>Which tokens of an example are learned.</summary>
public enum LossTarget
{
    /// <summary>The response and its end.</summary>
    Response,

    /// <summary>Every token that another one precedes.</summary>
    All,
}
