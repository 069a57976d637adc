namespace LmKit;

/// <summary>A module that knows how some of its own parameters want to be trained.</summary>
public interface IParameterHints
{
    /// <summary>The hint for one of the module's own parameters, or null for the default treatment.</summary>
    /// <param name="parameterName">The parameter's component name within the module.</param>
    ParameterHint? Hint(string parameterName);
}
