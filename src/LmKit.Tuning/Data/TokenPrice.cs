using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>What tokens cost, in any currency.</summary>
public sealed class TokenPrice
{
    private const double Million = 1e6;

    /// <summary>Price of a million tokens read. Default 0.</summary>
    [Range(0.0, double.MaxValue)]
    public double InputPerMillion { get; set; }

    /// <summary>Price of a million tokens written. Default 0.</summary>
    [Range(0.0, double.MaxValue)]
    public double OutputPerMillion { get; set; }

    /// <summary>The price of a request.</summary>
    /// <param name="inputTokens">Tokens read.</param>
    /// <param name="outputTokens">Tokens written.</param>
    public double Of(double inputTokens, double outputTokens) => (inputTokens * InputPerMillion + outputTokens * OutputPerMillion) / Million;
}
